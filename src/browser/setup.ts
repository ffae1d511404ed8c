/** What the library needs of a browser, in a page and in a web worker. */
import './imageSetup.js';
import { addBrowserBackends } from './backends.js';
import { registerWasmBackend } from './wasmBackend.js';

registerWasmBackend();
addBrowserBackends();
