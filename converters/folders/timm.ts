import { UserError } from '../../src/errors.js';
import type { VitConfig } from '../../src/families/vit/config.js';
import { pixelPair } from '../../src/image/checkPreprocessing.js';
import { timmConfig, timmPreprocessing } from '../../src/image/timm.js';
import type { Preprocessing } from '../../src/image/types.js';
import type { Assumption, Fact, Facts } from '../facts.js';
import { imagenetOfTag } from '../namedFacts.js';
import { orByPreset } from '../orByPreset.js';
import { refusedByName, type TimmFields, timmArchitecture } from '../timmModels.js';
import { defined, type FieldReader, type Fields, fieldReader, shown } from './fields.js';
import { timmLabels } from './labels.js';

/** Whether a config.json is one of timm, or of transformers' wrapper around timm. */
export function isTimmConfig(config: Fields): boolean {
  return (
    typeof config.architecture === 'string' &&
    (config.model_type === undefined || config.model_type === 'timm_wrapper')
  );
}

/** What the caller tells in place of what the file says. */
export interface TimmOptions {
  /** Name of an architecture of timm, where the file's is not known. */
  readonly model?: string;
  /** What the head reads, in place of what the file says. */
  readonly pool?: VitConfig['pool'];
  /** Whether another preprocessing was chosen, so that the file's need not be read. */
  readonly skipPreprocessing?: boolean;
}

/**
 * Facts of timm's config.json (timm 1.0: `save_for_hf`) or of transformers' TimmWrapper: the architecture with
 * `model_args`, `global_pool`, the preprocessing of `pretrained_cfg`, the labels.
 *
 * @throws UserError for an architecture that is none of this family, by its name, and for an argument that would change
 *   the model in a way that is not supported
 */
export function timmFacts(config: Fields, file: string, options: TimmOptions = {}): Facts {
  const root = fieldReader(config, file);
  const name = options.model ?? root.text('architecture')!;
  const source = options.model === undefined ? root.at('architecture') : '--model';
  const architecture = architectureNamed(name, source);
  const args = root.object('model_args');
  const pretrained = fieldReader(timmConfig(config), root.at('pretrained_cfg'));
  const fields: Record<string, Fact<unknown>> = {
    ...architectureFacts(architecture, source),
    ...inputFact(pretrained),
    ...(args ? modelArguments(args) : {}),
    ...(options.pool ? {} : poolFact(root, args, architecture)),
    ...classCount(root),
  };
  const imgSize = fields.imgSize!.value as readonly [number, number];
  return defined({
    library: { value: 'timm' as const, source },
    name: { value: tagged(name, pretrained), source },
    config: fields as Facts['config'],
    preprocessing: options.skipPreprocessing ? undefined : preprocessingFact(pretrained, imgSize),
    labels: labelsFact(config, pretrained, root),
  });
}

/**
 * What is assumed of a model of timm that pools nothing (`global_pool=''`): its output is every token. Without a head it is
 * a backbone, whose features are there all the same.
 *
 * @throws UserError if it has a head, unless the options say what that reads: logits of every token are none of an image
 */
export function unpooledAssumption(config: Fields, file: string, { pool }: TimmOptions): Assumption[] {
  const root = fieldReader(config, file);
  const args = root.object('model_args');
  if (args?.fields.global_pool !== '' || pool) return [];
  const is = `${args.at('global_pool')} is "": timm then pools nothing and gives every token`;
  if ((args.whole('num_classes', 0) ?? root.whole('num_classes', 0)) !== 0) {
    throw new UserError(`${is}'s logits, none of the image; --pool says what the head shall read`);
  }
  const why = `${is}; here predict gives one token or the mean, features() gives every token, embed both`;
  return [{ field: 'pool', value: args.fields.class_token === false ? 'mean' : 'token', why }];
}

function classCount(root: FieldReader): Record<string, Fact<number>> {
  const count = root.whole('num_classes', 0);
  // transformers' wrapper keeps the number, and its model has no head.
  if (String(root.fields.architectures) === 'TimmWrapperModel') return {};
  return count ? { numClasses: { value: count, source: root.at('num_classes') } } : {};
}

function architectureNamed(name: string, source: string): TimmFields {
  const architecture = timmArchitecture(name);
  if (architecture) return architecture;
  const reason = refusedByName(name);
  throw new UserError(
    reason
      ? `${source} is ${shown(name)}, which ${reason}: it is not computed here`
      : `${source} is ${shown(name)}, which is not known here; if it has the shape of another, name that as --model NAME`,
  );
}

function architectureFacts(fields: TimmFields, source: string): Record<string, Fact<unknown>> {
  // Tensors tell of LayerScale and of the norms, which move with the pooling.
  const { layerScale: _, finalNorm: __, fcNorm: ___, ...told } = fields;
  const plain = { activation: told.swiglu ? 'silu' : 'gelu', pool: 'token', layerNormEps: 1e-6 };
  return Object.fromEntries(
    Object.entries({ ...plain, ...told }).map(([name, value]) => [name, { value, source }]),
  );
}

function tagged(name: string, { fields }: FieldReader): string {
  return typeof fields.tag === 'string' && fields.tag !== '' && !name.includes('.')
    ? `${name}.${fields.tag}`
    : name;
}

/** The input that timm builds the model for: that of its weights, unless an argument says otherwise. */
function inputFact(pretrained: FieldReader): Record<string, Fact<readonly [number, number]>> {
  const value = pretrainedInput(pretrained);
  return value ? { imgSize: { value, source: pretrained.at('input_size') } } : {};
}

/** [height, width] of `input_size`, [channels, height, width]. */
export function pretrainedInput({ fields, at }: FieldReader): readonly [number, number] | undefined {
  const { input_size: size } = fields;
  return Array.isArray(size) && size.length === 3 ? pixelPair(size.slice(1), at('input_size')) : undefined;
}

const TRAINING_ONLY = [
  'drop_rate',
  'pos_drop_rate',
  'patch_drop_rate',
  'proj_drop_rate',
  'attn_drop_rate',
  'drop_path_rate',
  'weight_init',
  'fix_init',
  'dynamic_img_size',
  'scriptable',
  'exportable',
];

/** Arguments that are supported as timm has them by default alone. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  pos_embed: 'learn',
  proj_bias: true,
  scale_attn_norm: false,
  scale_mlp_norm: false,
  dynamic_img_pad: false,
};

/** What each argument of timm's VisionTransformer sets. */
const ARGUMENTS: Readonly<Record<string, (args: FieldReader, name: string) => Partial<VitConfig>>> = {
  img_size: (args, name) => ({ imgSize: args.size(name)! }),
  patch_size: (args, name) => {
    const [height, width] = args.size(name)!;
    return { patchSize: height === width ? height : [height, width] };
  },
  in_chans: (args, name) => ({ inChans: args.whole(name)! }),
  num_classes: (args, name) => ({ numClasses: args.whole(name, 0)! }),
  embed_dim: (args, name) => ({ embedDim: args.whole(name)! }),
  depth: (args, name) => ({ depth: args.whole(name)! }),
  num_heads: (args, name) => ({ numHeads: args.whole(name)! }),
  mlp_ratio: (args, name) => ({ mlpRatio: args.number(name)! }),
  qkv_bias: (args, name) => ({ qkvBias: args.flag(name)! }),
  qk_norm: (args, name) => ({ qkNorm: args.flag(name)! }),
  init_values: () => ({}),
  class_token: (args, name) => ({ classToken: args.flag(name)! }),
  no_embed_class: (args, name) => ({ posEmbedPrefix: !args.flag(name)! }),
  reg_tokens: (args, name) => ({ registers: args.whole(name, 0)! }),
  pre_norm: (args, name) => ({ preNorm: args.flag(name)!, patchBias: !args.flag(name)! }),
  final_norm: (args, name) => ({ finalNorm: args.flag(name)! }),
  fc_norm: (args, name) => ({ fcNorm: args.flag(name)! }),
  pool_include_prefix: (args, name) => ({ poolPrefix: args.flag(name)! }),
  global_pool: (args, name) => ({ pool: poolNamed(args, name) }),
  act_layer: (args, name) => ({ activation: activationNamed(args, name) }),
};

/**
 * Facts of the arguments that a model of timm was made with.
 *
 * @throws UserError for one that is not supported
 */
export function modelArguments(args: FieldReader): Record<string, Fact<unknown>> {
  const facts: Record<string, Fact<unknown>> = {};
  for (const [name, value] of Object.entries(args.fields)) {
    if (value === null || TRAINING_ONLY.includes(name)) continue;
    if (name === 'global_pool' && value === '') continue; // see unpooledAssumption
    if (Object.hasOwn(DEFAULTS, name) && value === DEFAULTS[name]) continue;
    if (!Object.hasOwn(ARGUMENTS, name)) {
      throw new UserError(`${args.at(name)} is ${shown(value)}: this argument is not supported`);
    }
    for (const [field, set] of Object.entries(ARGUMENTS[name]!(args, name))) {
      facts[field] = { value: set, source: args.at(name) };
    }
  }
  return facts;
}

const POOLS: Readonly<Record<string, NonNullable<VitConfig['pool']>>> = {
  token: 'token',
  avg: 'mean',
  map: 'map',
};

function poolNamed(reader: FieldReader, name: string): NonNullable<VitConfig['pool']> {
  const pool = reader.text(name)!;
  if (Object.hasOwn(POOLS, pool)) return POOLS[pool]!;
  throw new UserError(
    `${reader.at(name)} is ${shown(pool)}; expected one of ${Object.keys(POOLS).join(', ')}`,
  );
}

const ACTIVATIONS: Readonly<Record<string, NonNullable<VitConfig['activation']>>> = {
  gelu: 'gelu',
  gelu_tanh: 'gelu_tanh',
  quick_gelu: 'quick_gelu',
  relu: 'relu',
  silu: 'silu',
  swish: 'silu',
};

function activationNamed(reader: FieldReader, name: string): NonNullable<VitConfig['activation']> {
  const activation = reader.text(name)!;
  if (Object.hasOwn(ACTIVATIONS, activation)) return ACTIVATIONS[activation]!;
  throw new UserError(
    `${reader.at(name)} is ${shown(activation)}; expected one of ${Object.keys(ACTIVATIONS).join(', ')}`,
  );
}

/**
 * `global_pool` beside the architecture is the saved model's own; timm reads the argument.
 *
 * @throws UserError if the two differ
 */
function poolFact(
  root: FieldReader,
  args: FieldReader | undefined,
  { pool = 'token' }: TimmFields,
): Record<string, Fact<unknown>> {
  if (!root.text('global_pool')) return {};
  const value = poolNamed(root, 'global_pool');
  const argument = args?.text('global_pool');
  if (args && argument && poolNamed(args, 'global_pool') !== value) {
    throw new UserError(
      `${root.at('global_pool')} is ${shown(root.fields.global_pool)}, and ${args.at('global_pool')} ${shown(argument)}; --pool says which`,
    );
  }
  return value === pool ? {} : { pool: { value, source: root.at('global_pool') } };
}

function preprocessingFact(
  pretrained: FieldReader,
  imgSize: readonly [number, number],
): Fact<Preprocessing> | undefined {
  const told = ['mean', 'std', 'crop_pct', 'interpolation', 'input_size'];
  if (!told.some((name) => pretrained.fields[name] !== undefined)) return undefined;
  const value = orByPreset(() => timmPreprocessing(pretrained.fields, pretrained.where, imgSize));
  return { value: { ...value, preset: pretrained.where }, source: pretrained.where };
}

/** Names of the classes: timm's own list, or ImageNet's by the tag. */
export function labelsFact(
  config: Fields,
  pretrained: FieldReader,
  root: FieldReader,
): Fact<readonly string[]> | undefined {
  const own = timmLabels(config, root.where);
  if (own) return { value: own, source: root.at('label_names') };
  const inner = timmLabels(pretrained.fields, pretrained.where);
  if (inner) return { value: inner, source: pretrained.at('label_names') };
  const { tag } = pretrained.fields;
  return typeof tag === 'string' && root.fields.num_classes === 1000
    ? imagenetOfTag(tag, pretrained.at('tag'))
    : undefined;
}
