/** Readers of image formats, in plain TypeScript, with the pixels that Pillow's `convert('RGB')` gives. */

export { decodeHere } from './decode.js';
export type { Inflate, Sink } from './inflate.js';
export { rgbFromCmyk } from './samples.js';
