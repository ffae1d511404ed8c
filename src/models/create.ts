import type { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { describeValue, isFields } from '../checkOptions.js';
import { UserError } from '../errors.js';
import '../families/layers/index.js';
import { findEntry } from '../../converters/findEntry.js';
import type { ModelEntry } from '../families/modelEntry.js';
import {
  checkConfig,
  compactConfig,
  headNames,
  VIT_DEFAULTS,
  type VitConfig,
  vitFields,
} from '../families/vit/config.js';
import { initialWeight } from '../families/vit/initialWeights.js';
import { topology } from '../families/vit/topology.js';
import { type WeightSpec, weightSpecs } from '../families/vit/weights.js';
import { frozen } from '../frozen.js';
import { Random } from '../random.js';
import { sizeOf } from '../shape.js';
import { nearest } from '../text.js';
import { DistilledVisionTransformer } from './distilledVisionTransformer.js';
import { defaultPreprocessing } from './preprocessing.js';
import { type EngineRuntime, type ModelExtras, VisionTransformer } from './visionTransformer.js';
import { namedWeights, setWeight } from './weights.js';

/** Fields of a model that may be overridden; `imgSize` as one number means a square. */
export type ModelOverrides = Partial<Omit<VitConfig, 'imgSize'>> & {
  imgSize?: number | readonly [number, number];
  /** Seed of the initial weights; 0 by default. */
  seed?: number;
};

/** The entry of a named model, by timm's or mmpretrain's name. Throws a UserError for an unknown name. */
export function modelEntry(name: string): ModelEntry {
  const entry = findEntry(name);
  if (entry) return entry;
  throw new UserError(`no model is named "${name}"; \`deit models\` lists those that are there`);
}

/** A whole configuration from a name or some fields; the rest is DeiT-tiny's. Throws a UserError if it cannot be built. */
export function resolveConfig(model: string | Partial<VitConfig>, overrides: ModelOverrides = {}): VitConfig {
  if (typeof model !== 'string')
    requireFields(model, 'the name of a model, or an object of the fields that differ');
  requireFields(overrides, 'an object of the fields that are overridden');
  // A field that is undefined is no field: tfjs takes only JSON for a model's metadata.
  const base =
    typeof model === 'string' ? modelEntry(model).config : { ...VIT_DEFAULTS, ...definedFields(model) };
  const { imgSize, seed: _, ...rest } = overrides;
  const config: VitConfig = {
    ...base,
    ...definedFields(rest),
    imgSize: typeof imgSize === 'number' ? [imgSize, imgSize] : (imgSize ?? base.imgSize),
  };
  const fields = vitFields();
  for (const field of Object.keys(config)) {
    if (fields.includes(field)) continue;
    const [near] = nearest(field, fields);
    throw new UserError(
      `a model has no field "${field}"; ${near ? `did you mean ${near}?` : `it has ${fields.join(', ')}`}`,
    );
  }
  checkConfig(config);
  return frozen(compactConfig(config));
}

function requireFields(value: unknown, expected: string): void {
  if (isFields(value)) return;
  throw new UserError(`a model is made of ${expected}; got ${describeValue(value)}`);
}

function definedFields<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}

/**
 * Builds a model with fresh weights.
 *
 * @param model a name (`deit models` lists them), or the fields that differ from DeiT-tiny's
 * @param overrides e.g. {numClasses, imgSize, dropPathRate}
 */
export function createModel(
  model: string | Partial<VitConfig>,
  overrides: ModelOverrides = {},
): VisionTransformer {
  const config = resolveConfig(model, overrides);
  const { seed = 0 } = overrides;
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new UserError(`createModel: seed is a whole number of at least 0, got ${describeValue(seed)}`);
  if (config.quantization) {
    throw new UserError(
      `${config.name}: fresh weights are not quantized; load a trained model with quantize: 'int8'`,
    );
  }
  const specs = weightSpecs(config);
  checkSizes(config.name, specs);
  const created = buildModel(config, { preprocessing: defaultPreprocessing(config) });
  try {
    const random = Random.fromSeed(seed);
    const weights = namedWeights(created.layersModel);
    for (const spec of specs) setWeight(weights.get(spec.name)!, initialWeight(spec, random));
  } catch (error) {
    created.dispose();
    throw error;
  }
  return created;
}

/** Values of the largest weight, 4 GiB: more than a WebAssembly memory has. */
const MAX_VALUES = 2 ** 30;

function checkSizes(model: string, specs: readonly WeightSpec[]): void {
  for (const { name, shape } of specs) {
    const values = sizeOf(shape);
    if (values <= MAX_VALUES) continue;
    throw new UserError(
      `${model}: ${name} [${shape.join(', ')}] would have ${values} values; a weight has at most ${MAX_VALUES}`,
    );
  }
}

/** tfjs types the constructor's arguments more loosely than LayersModel declares its own. */
type SerializableModel = serialization.SerializableConstructor<tfl.LayersModel>;

/** Builds a model whose weights are all zero, to be assigned. */
export function buildModel(config: VitConfig, extras: ModelExtras): VisionTransformer {
  return new (modelClass(config))(config, () => zeroLayers(config), extras);
}

/** A model whose weights an engine holds; its layers are built once they are asked for. */
export function engineModel(
  config: VitConfig,
  extras: ModelExtras,
  runtime: EngineRuntime,
  backend: string,
): VisionTransformer {
  const layers = () => {
    const built = zeroLayers(config);
    for (const [name, weight] of namedWeights(built)) setWeight(weight, runtime.weight(name));
    return built;
  };
  const model = new (modelClass(config))(config, layers, extras);
  model.useRuntime(runtime, backend);
  return model;
}

function modelClass(config: VitConfig): typeof VisionTransformer {
  return headNames(config).length > 1 && config.numClasses > 0
    ? DistilledVisionTransformer
    : VisionTransformer;
}

function zeroLayers(config: VitConfig): tfl.LayersModel {
  return tfl.LayersModel.fromConfig<tfl.LayersModel>(
    tfl.LayersModel as unknown as SerializableModel,
    topology(config) as serialization.ConfigDict,
    {},
    true,
  );
}
