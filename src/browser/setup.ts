/** What the library needs of a browser, in a page and in a web worker. */
import { addImageDecoder } from '../models/classify.js';
import { addBrowserBackends } from './backends.js';
import { BROWSER_KINDS, decodeBrowserImage } from './imageInputs.js';
import { watchPolicy } from './policy.js';
import { registerWasmBackend } from './wasmBackend.js';

watchPolicy();
registerWasmBackend();
addBrowserBackends();
addImageDecoder(decodeBrowserImage, BROWSER_KINDS);
