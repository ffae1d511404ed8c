/**
 * deit-tfjs: vision transformers (ViT, DeiT, DeiT III) on TensorFlow.js. The whole public API that Node and browsers
 * share; src/node and src/browser are this with what one platform has.
 */
export { type Conversion, type ConvertOptions, type ConvertReport, convert } from '../converters/convert.js';
export { convertRegnet, isRegnet, type RegnetConversion } from '../converters/convertRegnet.js';
export {
  type ByteSource,
  blobSource,
  bytesSource,
  type Checkpoint,
  type CheckpointTensor,
  parseCheckpoint,
} from '../converters/formats/index.js';
export type { WeightDtype } from '../converters/write/encodeWeight.js';
export { writeLayersModel } from '../converters/write/layersModel.js';
export type { OutputSink } from '../converters/write/sink.js';
export { type BackendChoice, type BackendOptions, backendNames, useBackend } from './backend.js';
export * from './common.js';
export * from './data/index.js';
export * from './evaluate/index.js';
export * from './explain/index.js';
export * as layers from './families/layers/index.js';
export type { RegnetConfig } from './families/regnet/config.js';
export { createModel, type ModelOverrides, resolveConfig } from './models/create.js';
export { DistilledVisionTransformer } from './models/distilledVisionTransformer.js';
export { type ExportOptions, exportStateDict } from './models/exportStateDict.js';
export { type LoadOptions, type LoadProgress, load, loadFrom, openUrl } from './models/load.js';
export { loadRegnet, type Regnet } from './models/regnet.js';
export {
  type ClassifyOptions,
  type Embedding,
  type FeatureOptions,
  type Features,
  VisionTransformer,
} from './models/visionTransformer.js';
export { withTensors } from './models/withTensors.js';
export { writeSavedModel } from './models/writeSavedModel.js';
export * from './train/index.js';
