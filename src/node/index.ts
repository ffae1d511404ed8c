/** deit-tfjs for Node: everything of `deit-tfjs`, and paths of folders, checkpoints and pictures. */
import { fileURLToPath } from 'node:url';
import { addImageDecoder } from '../models/classify.js';
import { type LoadOptions, loadFrom, load as loadIsomorphic } from '../models/load.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { decodeImage } from './decode.js';
import './native/backend.js';
import { openModel } from './openModel.js';

export * from '../started.js';
export { decodeImage } from './decode.js';
export { openFileSource } from './fileSource.js';
export { writeFolder } from './folderSink.js';
export { type NodeHubOptions, openHub } from './hub/openHub.js';
export { openLocalFolder } from './localFolder.js';
export { type OpenedModel, openCheckpoint, openModel } from './openModel.js';
export { saveLayersModel } from './saveLayersModel.js';
export { openTeacher } from './train/openTeacher.js';
export { type RunHooks, type RunResult, runTraining } from './train/run.js';
export { openEvalData, openTrainData } from './trainData.js';

addImageDecoder((input) => {
  if (typeof input === 'string' || input instanceof Uint8Array) return decodeImage(input);
  return undefined;
});

/**
 * Loads a model: a converted folder, a checkpoint file (.pth, .safetensors), an http(s) URL of a converted folder, or
 * the bytes of a checkpoint.
 *
 * @throws UserError if it is none of these, or the backend cannot be used
 */
export async function load(
  source: string | URL | Uint8Array | ArrayBuffer | Blob,
  options: LoadOptions = {},
): Promise<VisionTransformer> {
  if (typeof source !== 'string' && !(source instanceof URL)) return loadIsomorphic(source, options);
  const path = source instanceof URL && source.protocol === 'file:' ? fileURLToPath(source) : String(source);
  const opened = await openModel(path, options.convert);
  try {
    return await loadFrom(opened.source, options);
  } finally {
    await opened.close();
  }
}
