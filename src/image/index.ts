/** Images to model inputs, with the pixels of Pillow and torchvision. Runs in Node and in the browser. */

export { checkPreprocessing } from './checkPreprocessing.js';
export { customPreprocessing, type PreprocessingSettings } from './custom.js';
export { interpolations } from './filters.js';
export { huggingFacePreprocessing } from './huggingFace.js';
export { preprocess } from './preprocess.js';
export { preprocessingFor, presetNames } from './presets.js';
export { cropModes, timmConfig, timmPreprocessing } from './timm.js';
export type { Interpolation, Preprocessing, Resize, RgbImage } from './types.js';
