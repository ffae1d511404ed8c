import { VIT_FIELDS, type VitConfig } from '../src/families/vit/config.js';
import type { Fact, Facts } from './facts.js';
import type { Checkpoint } from './formats/types.js';
import { modelParameters, withJsonTexts } from './metadata/modelParameters.js';
import { exportedFacts } from './metadata/ownExport.js';

/** Where an exported file keeps what its tensors do not tell. */
export const STORED_CONFIG = 'deit.config';

/** What a checkpoint's own metadata says: training scripts keep their arguments beside the weights, and so do we. */
export function storedFacts({ metadata: kept, tensors }: Checkpoint): Facts {
  const metadata = withJsonTexts(kept);
  const config: Record<string, Fact<unknown>> = { ...modelParameters(metadata) };
  for (const [field, value] of Object.entries(storedConfig(metadata[STORED_CONFIG]))) {
    config[field] = { value, source: STORED_CONFIG };
  }
  const model = metadata['args.model'];
  const name =
    typeof model === 'string' && model !== '' ? { name: { value: model, source: 'args.model' } } : {};
  return { config, ...name, ...library(metadata, tensors), ...exportedFacts(metadata) } as Facts;
}

/** moco-v3's main_lincls.py keeps these beside the model, by vits.py's names; nothing else tells of its 12 heads. */
function library(
  { arch, best_acc1 }: Checkpoint['metadata'],
  tensors: Checkpoint['tensors'],
): Pick<Facts, 'library'> {
  if (
    !(best_acc1 !== undefined || tensors.has('best_acc1')) ||
    !/^vit_(conv_)?(small|base)$/.test(String(arch))
  )
    return {};
  return {
    library: { value: 'moco', source: `arch ${arch} beside best_acc1, as moco-v3’s main_lincls.py writes` },
  };
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
