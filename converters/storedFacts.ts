import { VIT_FIELDS, type VitConfig } from '../src/families/vit/config.js';
import type { Fact, Facts } from './facts.js';
import type { Checkpoint } from './formats/types.js';
import { exportedFacts } from './metadata/ownExport.js';

/** Where an exported file keeps what its tensors do not tell. */
export const STORED_CONFIG = 'deit.config';

/** What a checkpoint's own metadata says: training scripts keep their arguments beside the weights, and so do we. */
export function storedFacts({ metadata }: Pick<Checkpoint, 'metadata'>): Facts {
  const config: Record<string, Fact<unknown>> = {};
  for (const [field, value] of Object.entries(storedConfig(metadata[STORED_CONFIG]))) {
    config[field] = { value, source: STORED_CONFIG };
  }
  // safetensors keeps texts only.
  const numHeads = Number(metadata['args.num_heads']);
  if (Number.isSafeInteger(numHeads) && numHeads > 0) {
    config.numHeads = { value: numHeads, source: 'args.num_heads' };
  }
  const model = metadata['args.model'];
  const name =
    typeof model === 'string' && model !== '' ? { name: { value: model, source: 'args.model' } } : {};
  return { config, ...name, ...exportedFacts(metadata) } as Facts;
}

/** The fields of a stored configuration that are fields of ours. */
function storedConfig(text: unknown): Partial<VitConfig> {
  if (typeof text !== 'string') return {};
  try {
    const stored = JSON.parse(text) as unknown;
    if (stored === null || typeof stored !== 'object') return {};
    const known = Object.entries(stored).filter(([field]) => Object.hasOwn(VIT_FIELDS, field));
    return Object.fromEntries(known) as Partial<VitConfig>;
  } catch {
    return {};
  }
}
