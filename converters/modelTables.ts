import type { VitConfig } from '../src/families/vit/config.js';
import { findEntry } from './findEntry.js';
import type { NamedModel } from './namedFacts.js';

/**
 * What is known of published models beside DeiT's. A page fetches these tables only where it has a checkpoint, so that
 * convert is handed them and does not import them.
 */
export interface ModelTables {
  /** The model of a name: of timm, with a tag or without, on the hub, of torchvision. */
  namedModel(name: string): NamedModel | undefined;
  /** What to say of models of the same shape that prepare images in another way than `preset`; may be empty. */
  otherConventions(config: VitConfig, preset: string): string;
  /** The preset of an architecture of timm without a tag, where one is the same. */
  timmPreset(name: string): string | undefined;
}

/** The tables of DeiT alone. */
export const ownTables: ModelTables = {
  namedModel: (name) => {
    const entry = findEntry(name);
    return entry && { name: entry.config.name, config: entry.config, preset: entry.preset, imagenet: true };
  },
  otherConventions: () => '',
  timmPreset: () => undefined,
};
