import { facebook } from './facebook.js';
import { huggingface } from './huggingface.js';
import { mmpretrain } from './mmpretrain.js';
import { timm } from './timm.js';
import type { KeyMap } from './types.js';

export type { KeyMap, Sources } from './types.js';

/** Every naming that the converter knows. A new one is a file in this folder and a line here. */
export const keyMaps: readonly KeyMap[] = [facebook, timm, mmpretrain, huggingface];
