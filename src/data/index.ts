/** Data sets, their formats, and loaders that make batches of them. Runs in Node and in the browser. */
export { cifar10Dataset } from './cifar10.js';
export type { AugmentConfig, DataConfig, MixConfig } from './config.js';
export type { Dataset, ImageSource } from './dataset.js';
export {
  type EvalLoader,
  evalLoader,
  type ImageBatch,
  type ImageFailure,
  inThisThread,
  type Preparer,
  type TrainBatch,
  type TrainLoader,
  trainLoader,
} from './loader.js';
export { mnistDataset } from './mnistDataset.js';
export type { NamedBytes } from './namedBytes.js';
export type { TransformSpec } from './transform.js';
