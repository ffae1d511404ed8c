/** What deit-tfjs and deit-tfjs/wasm both have, of what needs no tfjs. */
export { UserError } from './errors.js';
export type { VitConfig } from './families/vit/config.js';
export { countFlops, countParameters } from './families/vit/flops.js';
export {
  type Preprocessing,
  preprocess,
  preprocessingFor,
  presetNames,
  type RgbImage,
} from './image/index.js';
export {
  addImageDecoder,
  type ClassifyInput,
  type PixelData,
  type PlatformImages,
  type Prediction,
} from './models/classify.js';
export { type FetchFile, type FetchOptions, fetchFile, type Redirects } from './models/fetchFile.js';
