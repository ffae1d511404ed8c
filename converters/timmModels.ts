/** timm's names: what its architectures and pretrained tags say of a model. The data is in configs/models/generated. */
import {
  timmArchitectures,
  timmOtherModules,
  timmRefused,
} from '../configs/models/generated/timmArchitectures.js';
import { timmDeprecated } from '../configs/models/generated/timmDeprecated.js';
import type { TimmTags } from '../configs/models/generated/timmTags.js';
import type { VitConfig } from '../src/families/vit/config.js';
import { timmPreprocessing } from '../src/image/timm.js';
import type { Preprocessing } from '../src/image/types.js';

/** An architecture of timm as fields of a configuration; those that are left out have their defaults. */
export type TimmFields = Partial<VitConfig> &
  Pick<VitConfig, 'embedDim' | 'depth' | 'numHeads' | 'patchSize' | 'imgSize'>;

/** A name without the hub's `timm/`; one of before timm 0.8, `vit_base_patch16_224_in21k`, as it is since. */
export function timmName(name: string): string {
  const plain = name.replace(/^(hf[-_]hub:)?timm\//, '');
  return Object.hasOwn(timmDeprecated, plain) ? timmDeprecated[plain]! : plain;
}

/** What stands before the tag in `vit_base_patch16_224.augreg_in1k`. */
function timmArchitectureName(name: string): string {
  return timmName(name).split('.')[0]!;
}

let byName: ReadonlyMap<string, TimmFields> | undefined;

/** Every architecture of timm's vision_transformer.py and deit.py that a configuration describes. */
export function timmModels(): ReadonlyMap<string, TimmFields> {
  byName ??= new Map(
    timmArchitectures.flatMap(({ fields, models }) =>
      models.map(([name, embedDim, depth, numHeads, patchSize, size]) => [
        name,
        { ...fields, embedDim, depth, numHeads, patchSize, imgSize: [size, size] as const },
      ]),
    ),
  );
  return byName;
}

/** The architecture of a name, with a tag or without, or undefined if timm has none that is described here. */
export function timmArchitecture(name: string): TimmFields | undefined {
  return timmModels().get(timmArchitectureName(name));
}

/** Why a model of timm is none of this family; undefined if it is one, or timm has no model of this name. */
export function refusedByName(name: string): string | undefined {
  const arch = timmArchitectureName(name);
  if (timmModels().has(arch)) return undefined;
  const reason = Object.entries(timmRefused).find(([, names]) => names.split(' ').includes(arch))?.[0];
  if (reason) return `has ${reason}`;
  const module = Object.entries(timmOtherModules).find(([, starts]) =>
    starts.split(' ').some((start) => arch.startsWith(start)),
  )?.[0];
  return module && `is of timm's ${module}.py, no ViT or DeiT`;
}

const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };
const norms: Readonly<Record<TimmTags['norm'], { mean: number[]; std: number[] }>> = {
  imagenet: IMAGENET,
  half: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
  openai: {
    mean: [0.48145466, 0.4578275, 0.40821073],
    std: [0.26862954, 0.26130258, 0.27577711],
  },
  none: { mean: [0, 0, 0], std: [1, 1, 1] },
};

/** timm's pretrained_cfg of a name; without a tag the architecture's own. */
export interface TimmPretrained {
  /** The name with its tag. */
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly numClasses: number;
}

/** What timm's tables say of the pretrained weights of a name. The tables are loaded when they are asked for. */
export async function timmPretrained(name: string): Promise<TimmPretrained | undefined> {
  const { timmTags } = await import('../configs/models/generated/timmTags.js');
  const wanted = timmName(name);
  const matches = (entry: string) =>
    entry.replace('*', '') === wanted || (entry.endsWith('*') && entry.split(/[.*]/)[0] === wanted);
  for (const { names, norm, cropPct, interpolation, cropMode, size, numClasses } of timmTags) {
    const found = names.split(' ').find(matches);
    if (found === undefined) continue;
    const config = {
      ...norms[norm],
      crop_pct: cropPct,
      interpolation,
      crop_mode: cropMode,
      input_size: [3, size, size],
    };
    return { name: found.replace('*', ''), config, numClasses };
  }
  return undefined;
}

/** The evaluation's preprocessing of a name, for a model's input [height, width] where it is not the tag's own. */
export async function timmPreprocessingOf(
  name: string,
  imgSize?: readonly [number, number],
): Promise<Preprocessing | undefined> {
  const found = await timmPretrained(name);
  return found && { ...timmPreprocessing(found.config, found.name, imgSize), preset: found.name };
}
