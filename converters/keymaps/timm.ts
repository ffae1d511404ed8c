import { facebook } from './facebook.js';
import type { KeyMap } from './types.js';

/** timm (vision_transformer.py, deit.py): facebook's names but for LayerScale. */
export const timm: KeyMap = {
  ...facebook,
  name: 'timm',
  antialias: true,
  tensors: {
    ...facebook.tensors,
    'blocks.*.ls1.gamma': ['blocks.*.ls1.gamma'],
    'blocks.*.ls2.gamma': ['blocks.*.ls2.gamma'],
  },
};
