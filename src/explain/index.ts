/** What a vision transformer looks at: attention maps and rollout, and pictures of them. */
export { type AttentionMapOptions, attentionMap } from './attentionMap.js';
export { attentionStack } from './attentionStack.js';
export { heatColormap } from './colormap.js';
export { mapToGrey, type OverlayOptions, overlay } from './overlay.js';
export { rollout } from './rollout.js';
export { seenPart, seenWindow } from './seenPart.js';
export { attentionSheet, type SheetOptions } from './sheet.js';
export type { AttentionStack, PatchMap, PrefixToken } from './types.js';
