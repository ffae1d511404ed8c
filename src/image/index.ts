/** Pictures to model inputs, with the pixels of Pillow and torchvision. Runs in Node and in the browser. */

export { preprocess } from './preprocess.js';
export { preprocessingFor, presetNames } from './presets.js';
export type { Preprocessing, RgbImage } from './types.js';
