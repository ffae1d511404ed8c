import { modelEntries } from '../configs/models/index.js';
import { vitModels } from '../configs/models/vit.js';
import type { VitConfig } from '../src/families/vit/config.js';
import { knownConfig, knownName } from './namedFacts.js';
import { timmModels } from './timmModels.js';

/** A published model of a shape. */
export interface PublishedModel {
  readonly name: string;
  readonly heads: number;
  /** Preset with which its authors evaluate it; undefined if it goes by its own files. */
  readonly preset?: string;
}

type Shape = Pick<VitConfig, 'embedDim' | 'depth' | 'patchSize'> & { readonly distilled?: boolean };

/** Published models of this width, depth and patch: DeiT's, those of configs/models/vit.ts, then timm's architectures. */
export function publishedLike(config: Shape): readonly PublishedModel[] {
  const same = (other: Shape) =>
    other.embedDim === config.embedDim &&
    other.depth === config.depth &&
    String(other.patchSize) === String(config.patchSize) &&
    (other.distilled ?? false) === (config.distilled ?? false);
  const cards = modelEntries
    .filter((card) => same(card.config))
    .map(({ config: { name, numHeads }, preset }) => ({ name, heads: numHeads, preset }));
  const known = vitModels
    .map((model) => ({ model, config: knownConfig(model) }))
    .filter((one) => same(one.config))
    .map(({ model, config: { numHeads } }) => ({
      name: knownName(model),
      heads: numHeads,
      ...(model.preset && { preset: model.preset }),
    }));
  const timm = [...timmModels()]
    .filter(([name, fields]) => same(fields) && !cards.some((card) => card.name === name))
    .map(([name, { numHeads }]) => ({ name: `timm's ${name}`, heads: numHeads, ...withPreset(name) }));
  return [...cards, ...known, ...timm];
}

function withPreset(name: string): { preset?: string } {
  const preset = timmPreset(name);
  return preset === undefined ? {} : { preset };
}

/** The preset of an architecture of timm without a tag, where one is the same: the plain ViTs are augreg's. */
export function timmPreset(name: string): string | undefined {
  return /^vit_(tiny|small|base|large)_patch(8|16|32)_(224|384)$/.test(name) ? 'augreg' : undefined;
}

/**
 * What to say of models of this shape that prepare images in another way than `preset`: one of each way, at most three.
 */
export function otherConventions(config: Shape, preset: string): string {
  const others = new Map<string, string>();
  for (const { name, preset: other } of publishedLike(config)) {
    if (other !== undefined && other !== preset && !others.has(other)) others.set(other, name);
  }
  return [...others]
    .slice(0, 3)
    .map(([other, name]) => `${name} has ${other}`)
    .join(', ');
}
