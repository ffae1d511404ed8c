/** Readers of image formats, in plain TypeScript, with the pixels that Pillow's `convert('RGB')` gives. */

export { decodeBmp } from './bmp.js';
export { type CheckSize, DamagedImage } from './damaged.js';
export { decodeGif } from './gif.js';
export type { Inflate, Sink } from './inflate.js';
export { decodeNetpbm } from './netpbm.js';
export { decodePng } from './png.js';
export { rgbFromCmyk } from './samples.js';
export { decodeTiff } from './tiff.js';
