/** Images to model inputs, with the pixels of Pillow and torchvision. Runs in Node and in the browser. */

export { interpolations } from './filters.js';
export { preprocess } from './preprocess.js';
export { preprocessingFor, presetNames } from './presets.js';
export { cropModes } from './timm.js';
export type { Interpolation, Preprocessing, Resize, RgbImage } from './types.js';
