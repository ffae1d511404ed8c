/**
 * deit-tfjs/wasm: models on the WASM engine alone, for pages that want no more. There is no tfjs in it, and no file beside
 * it; what needs tensors (layers, gradients, training, GPUs) is in deit-tfjs, to which a model can be handed
 * (`withTensors`).
 */
import './imageSetup.js';
import { type Inspection, splitInspection } from '../explain/inspection.js';
import { type ClassifyInput, toPixels } from '../models/classify.js';
import type { ImageCallOptions } from '../models/imageClassifier.js';
import { loadOnEngine, type WasmModel } from '../models/wasmModel.js';
import { browserHost } from './engineHost.js';
import { type BrowserLoadOptions, type BrowserModelSource, loadBrowserSource } from './loadSource.js';

export {
  type Checkpoint,
  type CheckpointTensor,
  parseCheckpoint,
} from '../../converters/formats/index.js';
export type { BackendChoice } from '../backend.js';
export { UserError } from '../errors.js';
export { type AttentionMapOptions, attentionMap } from '../explain/attentionMap.js';
export type { Inspection } from '../explain/inspection.js';
export { type OverlayOptions, overlay } from '../explain/overlay.js';
export { patchColors, patchSimilarity } from '../explain/patchFeatures.js';
export { type HeadFusion, type RolloutOptions, rollout } from '../explain/rollout.js';
export type { AttentionStack, PatchMap, PrefixToken, QueryToken } from '../explain/types.js';
export type { VitConfig } from '../families/vit/config.js';
export { countFlops, countParameters } from '../families/vit/flops.js';
export {
  type Preprocessing,
  preprocess,
  preprocessingFor,
  presetNames,
  type RgbImage,
} from '../image/index.js';
export {
  addImageDecoder,
  type ClassifyInput,
  type PixelData,
  type PlatformImages,
  type Prediction,
} from '../models/classify.js';
export { type Embedding, splitEmbedding } from '../models/embedding.js';
export { type FetchFile, type FetchOptions, fetchFile, type Redirects } from '../models/fetchFile.js';
export type { ClassifyOptions, ImageCallOptions } from '../models/imageClassifier.js';
export type { LoadProgress } from '../models/loadSource.js';
export type { WasmModel } from '../models/wasmModel.js';
export { cachedFetch, clearCache, type KeptFile, listKeptFiles } from './cache.js';
export { type BrowserImageSource, decodeImage, imageBitmap, MAX_PIXELS } from './decode.js';
export { type BrowserHubOptions, clearHubCache, listCachedFiles, openHub } from './hub.js';
export type { BrowserImage } from './imageInputs.js';
export type { BrowserModelSource } from './loadSource.js';

/**
 * Logits, heads, patch features and attention of one image, in one forward pass: for attentionMap, rollout, patchSimilarity.
 *
 * @param image what classify takes
 * @throws UserError as logits does
 */
export async function inspect(
  model: WasmModel,
  image: ClassifyInput,
  { signal }: ImageCallOptions = {},
): Promise<Inspection> {
  const pixels = await toPixels(image, model.preprocessing, signal);
  return splitInspection(model.config, await model.inspectPixels(pixels, 1, { signal }));
}

/** As BrowserLoadOptions; `backend` may be `wasm` or `auto`, which is the same here. */
export type WasmLoadOptions = Omit<BrowserLoadOptions, 'assetFolder'>;

/**
 * Loads a model.
 *
 * @param source `hf:OWNER/NAME[@REVISION]` on the hub, or URL of a converted folder, of its model.json or of a checkpoint
 *   file, or the bytes of a checkpoint (.pth, .safetensors), e.g. a File that was dropped on the page, or the files of a
 *   converted folder
 * @throws UserError if it is neither, it cannot be fetched, or there is no WASM with SIMD here
 */
export async function load(source: BrowserModelSource, options: WasmLoadOptions = {}): Promise<WasmModel> {
  const host = browserHost(); // looks for threads while the first files are fetched
  host.catch(() => {}); // told where it is awaited
  return loadBrowserSource(source, options, async (opened, rest) => loadOnEngine(opened, rest, await host));
}
