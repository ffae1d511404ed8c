/** What loading and classifying need of a browser, whatever computes. */
import { addImageDecoder } from '../models/classify.js';
import { BROWSER_KINDS, decodeBrowserImage } from './imageInputs.js';
import { watchPolicy } from './policy.js';

watchPolicy();
addImageDecoder(decodeBrowserImage, BROWSER_KINDS);
