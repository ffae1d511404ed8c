import { plainBicubic, resamplePosEmbed } from '../../converters/resamplePosEmbed.js';
import { checkArguments } from '../checkArguments.js';
import { describeValue } from '../checkOptions.js';
import { UserError } from '../errors.js';
import type { WeightReader } from '../families/types.js';
import { differingField, gridSize, numPrefixPositions, type VitConfig } from '../families/vit/config.js';
import { initialWeight } from '../families/vit/initialWeights.js';
import { isHeadWeight, type WeightSpec, weightSpecs } from '../families/vit/weights.js';
import { Random } from '../random.js';

/** How fresh matrices start; see TrainConfig.init. */
export type InitScheme = 'deit' | 'xavier';

/** Fresh values for every weight of a model: the same seed gives the same. */
export function freshWeights(config: VitConfig, scheme: InitScheme, seed: number): WeightReader {
  checkArguments('freshWeights', { config: ['config', config], seed: ['count', seed] });
  if (scheme !== 'deit' && scheme !== 'xavier')
    throw new UserError(`freshWeights: scheme is deit or xavier, got ${describeValue(scheme)}`);
  const random = Random.fromSeed(seed);
  // All at once, in the model's order: a reader may be asked in any.
  const values = new Map(weightSpecs(config).map((spec) => [spec.name, freshWeight(spec, scheme, random)]));
  return async (name) => values.get(name)!;
}

function freshWeight(spec: WeightSpec, scheme: InitScheme, random: Random): Float32Array {
  if (scheme === 'deit' || spec.shape.length !== 2) return initialWeight(spec, random);
  const [fanIn, fanOut] = spec.shape as readonly [number, number];
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return Float32Array.from({ length: fanIn * fanOut }, () => bound * (2 * random.uniform() - 1));
}

/** A model's weights where another is started from it. */
export interface Start {
  readonly readWeight: WeightReader;
  /** One line for each kind of change, e.g. `pos_embed: 14×14 → 24×24, bicubic`. */
  readonly changes: readonly string[];
}

/**
 * Weights to start `target` from those of another model, as facebookresearch/deit's main.py --finetune does it:
 * position embeddings resampled for another grid (bicubic, without antialias), heads kept if they have as many classes
 * and fresh otherwise.
 *
 * @throws UserError that names the field in which the models differ otherwise
 */
export function startFrom(
  source: { readonly config: VitConfig; readonly readWeight: WeightReader },
  target: VitConfig,
  options: { scheme: InitScheme; seed: number; name: string },
): Start {
  checkArguments('startFrom', {
    source: ['conversion', source],
    target: ['config', target],
    options: ['fields', options],
  });
  checkSameShape(source.config, target, options.name);
  const [from, to] = [gridSize(source.config), gridSize(target)];
  const resampled = String(from) !== String(to);
  const freshHeads = source.config.numClasses !== target.numClasses;
  const fresh = freshWeights(target, options.scheme, options.seed);
  const prefix = numPrefixPositions(target);
  return {
    changes: [
      ...(resampled ? [`pos_embed: ${from.join('×')} → ${to.join('×')} patches, bicubic`] : []),
      ...(freshHeads ? [`heads: ${source.config.numClasses} → ${target.numClasses} classes, fresh`] : []),
    ],
    readWeight: async (name) => {
      if (freshHeads && isHeadWeight(name)) return fresh(name);
      const values = await source.readWeight(name);
      if (name !== 'pos_embed' || !resampled) return values;
      return resamplePosEmbed(values, target.embedDim, prefix, from, to, plainBicubic);
    },
  };
}

function checkSameShape(source: VitConfig, target: VitConfig, name: string): void {
  const field = differingField(source, target);
  if (field === undefined) return;
  throw new UserError(
    `${name}: does not fit the student: its ${field} is ${source[field]}, the student's ${target[field]}; leave model.${field} out`,
  );
}
