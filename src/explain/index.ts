/** What a vision transformer looks at: attention, rollout, relevance and patch features, and images of them. */
export { type AttentionGridOptions, attentionGrid } from './attentionGrid.js';
export { type AttentionMapOptions, attentionMap } from './attentionMap.js';
export { attentionStack } from './attentionStack.js';
export { heatColormap } from './colormap.js';
export { inspect, type RelevanceOptions, relevance } from './inspect.js';
export type { Inspection } from './inspection.js';
export { modelCrop, modelCropWindow } from './modelCrop.js';
export { mapToGrey, type OverlayOptions, overlay } from './overlay.js';
export { patchColors, patchSimilarity } from './patchFeatures.js';
export { type HeadFusion, type RolloutOptions, rollout } from './rollout.js';
export type { AttentionStack, PatchMap, PrefixToken, QueryToken } from './types.js';
