import { TIMM_RESULTS, timmHubModels, vitModels } from '../../configs/models/vit.js';
import { knownConfig, knownName, namedModel } from '../../converters/namedFacts.js';
import type { KnownModel } from '../families/modelEntry.js';
import type { VitConfig } from '../families/vit/config.js';

/** A well-known ViT, as `deit models` lists it. */
export interface ListedModel {
  readonly name: string;
  /** What opens it: `hf:OWNER/NAME` or the address of a file. */
  readonly source: string;
  readonly config: VitConfig;
  readonly preset: string | null;
  readonly published: NonNullable<KnownModel['published']>;
  /** Where the accuracy stands. */
  readonly accuracyFrom?: string;
}

/** The well-known ViTs beside DeiT: timm's on the hub, then those of configs/models/vit.ts. */
export function knownModels(): readonly ListedModel[] {
  const timm = timmHubModels.map(([name, preset, top1, top5]) => ({
    name,
    source: `hf:timm/${name}`,
    config: namedModel(`timm/${name}`)!.config,
    preset,
    published: { top1, top5 },
    accuracyFrom: TIMM_RESULTS,
  }));
  const others = vitModels.map((model) => ({
    name: knownName(model),
    source: model.hub ? `hf:${model.hub}` : model.checkpoint!,
    config: knownConfig(model),
    preset: model.preset,
    published: model.published ?? {},
    ...(model.source && { accuracyFrom: model.source }),
  }));
  return [...timm, ...others];
}
