import { checkArguments } from '../checkArguments.js';
import { checkOptions } from '../checkOptions.js';
import { readValues } from '../deviceLost.js';
import { UserError } from '../errors.js';
import type { WeightReader } from '../families/types.js';
import { headNames, headWidth, type VitConfig } from '../families/vit/config.js';
import { dequantize } from '../families/vit/quantize.js';
import type { Preprocessing } from '../image/types.js';
import { sizeOfHeads } from './headWeights.js';
import type { VisionTransformer } from './visionTransformer.js';
import { namedWeights } from './weights.js';

/** What takes the place of a model's own in its export. */
export interface ExportOptions {
  /** Weights of heads for other classes, as trainHead gives them: `head.kernel` [W, classes], `head.bias` … */
  readonly heads?: ReadonlyMap<string, Float32Array>;
  /** Names of the classes; of other heads they must be given. */
  readonly labels?: readonly string[];
  readonly preprocessing?: Preprocessing;
}

/**
 * The bytes of a safetensors file with a model's weights as facebookresearch/deit or timm name them, as `deit export`
 * writes it: PyTorch loads it, and so does load(). 8-bit weights become float32 again.
 *
 * @throws UserError that names the field if neither has such a model, or if labels are not as many as classes, or missing
 *   for other heads
 */
export async function exportStateDict(
  model: VisionTransformer,
  options: ExportOptions = {},
): Promise<AsyncGenerator<Uint8Array>> {
  checkArguments('exportStateDict', { model: ['model', model] });
  checkOptions('exportStateDict', options, { heads: 'any', labels: 'texts', preprocessing: 'object' });
  const { heads = new Map(), preprocessing = model.preprocessing } = options;
  checkArguments('exportStateDict', {
    heads: ['heads', heads],
    preprocessing: ['preprocessing', preprocessing],
  });
  const numClasses = classesOf(model.config, options);
  const labels = labelsOf(model, numClasses, options);
  const { stateDictChunks } = await import('../../converters/write/stateDict.js');
  const weights = namedWeights(model.layersModel);
  const readOwn: WeightReader = async (name) =>
    Float32Array.from(await readValues(weights.get(name)!.read(), model.backend));
  const own = dequantize({ config: model.config, labels, preprocessing, readWeight: readOwn });
  return stateDictChunks({
    ...own,
    config: { ...own.config, numClasses },
    readWeight: async (name) => heads.get(name) ?? own.readWeight(name),
  });
}

/** How many classes the exported heads tell apart. */
function classesOf(config: VitConfig, { heads }: ExportOptions): number {
  if (!heads) return config.numClasses;
  const { classes, width } = sizeOfHeads(heads, headNames(config), 'exportStateDict');
  if (width === headWidth(config)) return classes;
  throw new UserError(`exportStateDict: heads read ${width} features, the model's give ${headWidth(config)}`);
}

function labelsOf(
  model: VisionTransformer,
  numClasses: number,
  { heads, labels = heads ? undefined : model.labels }: ExportOptions,
): readonly string[] | undefined {
  if (heads && !labels) {
    throw new UserError(`exportStateDict: heads of ${numClasses} classes need the classes' names, as labels`);
  }
  if (!labels || labels.length === numClasses) return labels;
  throw new UserError(`exportStateDict: there are ${numClasses} classes, and labels names ${labels.length}`);
}
