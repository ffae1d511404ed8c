/**
 * deit-tfjs/wasm: models on the WASM engine alone, without tfjs. What Node and browsers share; src/node/wasm.ts and
 * src/browser/wasm.ts are this with what one platform has.
 */
import { checkArguments } from './checkArguments.js';
import { checkOptions } from './checkOptions.js';
import { type Inspection, splitInspection } from './explain/inspection.js';
import { type ClassifyInput, toPixels } from './models/classify.js';
import type { ImageCallOptions } from './models/imageClassifier.js';
import type { WasmModel } from './models/wasmModel.js';

export {
  type Checkpoint,
  type CheckpointTensor,
  parseCheckpoint,
} from '../converters/formats/index.js';
export type { BackendChoice } from './backend.js';
export * from './common.js';
export { type AttentionMapOptions, attentionMap } from './explain/attentionMap.js';
export type { Inspection } from './explain/inspection.js';
export { type OverlayOptions, overlay } from './explain/overlay.js';
export { patchColors, patchSimilarity } from './explain/patchFeatures.js';
export { type HeadFusion, type RolloutOptions, rollout } from './explain/rollout.js';
export type { AttentionStack, PatchMap, PrefixToken, QueryToken } from './explain/types.js';
export { type Embedding, splitEmbedding } from './models/embedding.js';
export type { ClassifyOptions, ImageCallOptions } from './models/imageClassifier.js';
export type { LoadProgress } from './models/loadSource.js';
export type { WasmModel } from './models/wasmModel.js';

/**
 * Logits, heads, patch features and attention of one image, in one forward pass: for attentionMap, rollout, patchSimilarity.
 *
 * @param image what classify takes
 * @throws UserError as logits does
 */
export async function inspect(
  model: WasmModel,
  image: ClassifyInput,
  options: ImageCallOptions = {},
): Promise<Inspection> {
  checkArguments('inspect', { model: ['wasmModel', model] });
  checkOptions('inspect', options, { signal: 'signal' });
  const { signal } = options;
  const pixels = await toPixels(image, model.preprocessing, signal);
  return splitInspection(model.config, await model.inspectPixels(pixels, 1, { signal }));
}
