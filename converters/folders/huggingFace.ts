import { UserError } from '../../src/errors.js';
import type { VitConfig } from '../../src/families/vit/config.js';
import type { Assumption, Fact, Facts } from '../facts.js';
import { activations } from '../huggingFaceActivations.js';
import { defined, type FieldReader, type Fields, fact, fieldReader, isObject, shown } from './fields.js';
import {
  foreignTypes,
  type HuggingFaceClass,
  type HuggingFaceType,
  huggingFaceTypes,
} from './huggingFaceTypes.js';
import { labelsOfId2label } from './labels.js';

/** What a config.json of transformers says of a model. */
export interface HuggingFaceFacts {
  readonly facts: Facts;
  readonly assumptions: readonly Assumption[];
  readonly type: HuggingFaceType;
}

/**
 * Facts of a config.json that transformers wrote, of the types in huggingFaceTypes.ts. Fields that are left out have the defaults of transformers' configuration classes.
 *
 * @throws UserError for a model of another kind, by its name, and for a field whose value is not supported
 */
export function huggingFaceFacts(config: Fields, file: string): HuggingFaceFacts {
  const root = fieldReader(config, file);
  const modelType = root.text('model_type') ?? '';
  const type = typeNamed(modelType, root);
  refuseOdd(root);
  const vision = visionPart(root, type);
  const [className, kind] = classOf(root, type, modelType);
  const source = root.at(className === undefined ? 'model_type' : 'architectures');
  return {
    type,
    facts: {
      library: { value: 'huggingface', source: root.at('model_type') },
      name: { value: className ?? modelType, source },
      config: defined({
        ...withSource({ ...type.fields, ...kind?.fields }, source),
        ...shapeFacts(vision, type),
        ...(kind?.classifies ? classCount(root) : {}),
      }) as Facts['config'],
      ...defined({ poolerActivation: poolerActivation(vision) }),
      // Without a class that is named, the number of names tells whether they are those of a head.
      ...defined({ labels: kind === undefined || kind.classifies ? labelFact(root) : undefined }),
    },
    assumptions: [...masking(root, modelType), ...severalLabels(root)],
  };
}

function typeNamed(modelType: string, { where }: FieldReader): HuggingFaceType {
  if (Object.hasOwn(huggingFaceTypes, modelType)) return huggingFaceTypes[modelType]!;
  const what = Object.hasOwn(foreignTypes, modelType) ? ` (${foreignTypes[modelType]})` : '';
  throw new UserError(
    `${where}: model_type is ${shown(modelType)}${what}, no model of the ViT family that is read here: ` +
      `${Object.keys(huggingFaceTypes).join(', ')}, timm_wrapper`,
  );
}

/** Settings that change what the weights mean, whatever the model. */
function refuseOdd({ fields, at }: FieldReader): void {
  const isSet = (value: unknown) =>
    value !== undefined && value !== null && !(isObject(value) && Object.keys(value).length === 0);
  for (const name of ['quantization_config', 'pruned_heads']) {
    if (!isSet(fields[name])) continue;
    throw new UserError(
      `${at(name)} is set: such weights are not read; save the model without it, in float32 or float16`,
    );
  }
}

/** The part of a configuration that describes images: CLIP, SigLIP and their kind have one for texts beside it. */
function visionPart(root: FieldReader, type: HuggingFaceType): FieldReader {
  const older = root.object('vision_config_dict');
  if (older) return older;
  if (!type.hasVisionPart) return root;
  return root.object('vision_config') ?? fieldReader(type.defaults, `${root.where}: vision_config`);
}

function classOf(
  { fields, at }: FieldReader,
  type: HuggingFaceType,
  modelType: string,
): [name: string | undefined, kind: HuggingFaceClass | undefined] {
  const { architectures } = fields;
  const isNone = Array.isArray(architectures) && architectures.length === 0;
  if (architectures === undefined || architectures === null || isNone) return [undefined, undefined];
  const [name] = Array.isArray(architectures) ? architectures : [architectures];
  if (typeof name === 'string' && Object.hasOwn(type.classes, name)) return [name, type.classes[name]];
  throw new UserError(
    `${at('architectures')} is ${shown(architectures)}; of ${modelType} those that are read are ${Object.keys(type.classes).join(', ')}`,
  );
}

function withSource(fields: Partial<VitConfig>, source: string): Record<string, Fact<unknown>> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { value, source }]));
}

/** Facts of the fields that a configuration gives, or its class by default. */
function shapeFacts(vision: FieldReader, { defaults }: HuggingFaceType): Record<string, Fact<unknown>> {
  const given = fieldReader({ ...defaults, ...definedFields(vision.fields) }, vision.where);
  const width = given.whole('hidden_size')!;
  const heads = given.whole('num_attention_heads')!;
  if (width % heads !== 0) {
    throw new UserError(
      `${given.at('num_attention_heads')} is ${heads}, but hidden_size ${width} does not divide into as many heads`,
    );
  }
  const swiglu = given.flag('use_swiglu_ffn') ?? false;
  const facts = {
    embedDim: fact(width, given.at('hidden_size')),
    depth: fact(given.whole('num_hidden_layers'), given.at('num_hidden_layers')),
    numHeads: fact(heads, given.at('num_attention_heads')),
    mlpRatio: mlpRatio(given, width, swiglu),
    swiglu: fact(swiglu || undefined, given.at('use_swiglu_ffn')),
    // The gate of SwiGLU is silu, whatever hidden_act says.
    activation: swiglu ? undefined : activationFact(given),
    layerNormEps: fact(epsilon(given), given.at('layer_norm_eps')),
    imgSize: fact(given.size('image_size'), given.at('image_size')),
    patchSize: fact(squareOf(given.size('patch_size')!), given.at('patch_size')),
    inChans: fact(given.whole('num_channels'), given.at('num_channels')),
    qkvBias: fact(given.flag('qkv_bias'), given.at('qkv_bias')),
    registers: fact(given.whole('num_register_tokens', 0), given.at('num_register_tokens')),
  };
  return defined(facts) as Record<string, Fact<unknown>>;
}

const definedFields = (fields: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null));

const squareOf = ([height, width]: readonly [number, number]) =>
  height === width ? height : ([height, width] as const);

function mlpRatio(given: FieldReader, width: number, swiglu: boolean): Fact<number> | undefined {
  if (given.fields.mlp_ratio === undefined) {
    const hidden = given.whole('intermediate_size');
    return hidden === undefined ? undefined : fact(hidden / width, given.at('intermediate_size'));
  }
  const ratio = given.number('mlp_ratio')!;
  if (ratio <= 0) throw new UserError(`${given.at('mlp_ratio')} is ${ratio}; expected a number above 0`);
  const hidden = Math.trunc(width * ratio);
  // Dinov2SwiGLUFFN: two thirds, rounded up to a multiple of 8.
  const gated = Math.floor((Math.trunc((hidden * 2) / 3) + 7) / 8) * 8;
  return fact((swiglu ? gated : hidden) / width, given.at('mlp_ratio'));
}

function activationFact(given: FieldReader): Fact<NonNullable<VitConfig['activation']>> {
  const name = given.text('hidden_act')!;
  if (Object.hasOwn(activations, name)) return { value: activations[name]!, source: given.at('hidden_act') };
  throw new UserError(
    `${given.at('hidden_act')} is ${shown(name)}; expected one of ${Object.keys(activations).join(', ')}`,
  );
}

function epsilon(given: FieldReader): number {
  const value = given.number('layer_norm_eps')!;
  if (value > 0 && value < 1) return value;
  throw new UserError(`${given.at('layer_norm_eps')} is ${value}; expected a number above 0 and below 1`);
}

function labelFact({ fields, at }: FieldReader): Fact<readonly string[]> | undefined {
  return fact(labelsOfId2label(fields.id2label, at('id2label')), at('id2label'));
}

function classCount({ fields, at, whole }: FieldReader): { numClasses?: Fact<number> } {
  const labels = labelsOfId2label(fields.id2label, at('id2label'));
  if (labels) return { numClasses: { value: labels.length, source: at('id2label') } };
  return defined({ numClasses: fact(whole('num_labels', 0), at('num_labels')) });
}

function poolerActivation(vision: FieldReader): Fact<string> | undefined {
  const value = vision.text('pooler_act');
  return value === undefined ? undefined : { value, source: vision.at('pooler_act') };
}

/** A masked autoencoder's own class hides patches at random, which features must not. */
function masking({ number, at }: FieldReader, modelType: string): Assumption[] {
  if (modelType !== 'vit_mae') return [];
  const ratio = number('mask_ratio') ?? 0.75;
  if (ratio === 0) return [];
  const why = `${at('mask_ratio')} is ${ratio}: transformers hides so many patches at random, features here are of the whole image (as with mask_ratio=0)`;
  return [{ field: 'masking', value: 'none', why }];
}

/** Labels that do not exclude each other: the logits are the same, the probabilities mean something else. */
function severalLabels({ fields, at }: FieldReader): Assumption[] {
  // Of one output convert says it itself.
  const single = labelsOfId2label(fields.id2label, at('id2label'))?.length === 1;
  if (fields.problem_type === 'regression' && !single) {
    const why = `${at('problem_type')} is regression: its outputs are numbers, no classes: read the logits`;
    return [{ field: 'probabilities', value: 'softmax', why }];
  }
  if (fields.problem_type !== 'multi_label_classification') return [];
  const why = `${at('problem_type')} is multi_label_classification: its classes do not exclude each other, so read the logits by a sigmoid of each`;
  return [{ field: 'probabilities', value: 'softmax', why }];
}
