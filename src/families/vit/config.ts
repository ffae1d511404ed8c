import { UserError } from '../../errors.js';
import type { Activation, PrefixTokenSpec, TokensSpec } from '../../ops/interface.js';
import { above, flag, oneOf, pair, upTo, wholeFrom, within } from '../fieldChecks.js';

/**
 * The shape of a vision transformer. Plain data: it is stored in a converted model's metadata. Optional fields are left
 * out where they have their default, DeiT's own.
 */
export interface VitConfig {
  /** Name of the model, e.g. `deit_tiny_patch16_224`. */
  readonly name: string;
  /** Input size in pixels, [height, width]. */
  readonly imgSize: readonly [number, number];
  /** Size of a patch in pixels: the side of a square, or [height, width]. */
  readonly patchSize: number | readonly [number, number];
  /** Whether the patch projection has a bias; true by default. CLIP's has none. */
  readonly patchBias?: boolean;
  /** Channels of the input image. */
  readonly inChans: number;
  /** Number of classes; 0 means no head: the output is what the head would read (see `pool`). */
  readonly numClasses: number;
  /** Width D of a token. */
  readonly embedDim: number;
  /** Number of transformer blocks. */
  readonly depth: number;
  /** Attention heads in a block; divides embedDim. */
  readonly numHeads: number;
  /** Hidden width of the MLP as a multiple of embedDim. */
  readonly mlpRatio: number;
  /** The MLP's non-linearity; `gelu`, the exact one, by default. */
  readonly activation?: Exclude<Activation, 'tanh'>;
  /** Whether the MLP is gated, silu(a) · b with one matrix for a and b (SwiGLU); false by default. */
  readonly swiglu?: boolean;
  /** Whether the query, key and value projection has a bias. */
  readonly qkvBias: boolean;
  /** Whether each head's queries and keys go through a layer norm; false by default. */
  readonly qkNorm?: boolean;
  /** Branches side by side in a block, attention's and then the MLP's (arXiv 2203.09795); 1 by default. */
  readonly parallel?: number;
  /** Initial value of LayerScale's gamma, or null for a model without LayerScale. */
  readonly layerScale: number | null;
  /** Whether there is a class token; true by default. */
  readonly classToken?: boolean;
  /** Whether there is a distillation token beside the class token (DeiT, section 3). */
  readonly distilled: boolean;
  /** Whether the distillation token has a head of its own; true by default. Hugging Face's DeiT has models without. */
  readonly distilledHead?: boolean;
  /** Number of register tokens behind the other prefix tokens (arXiv 2309.16588); 0 by default. */
  readonly registers?: number;
  /** Whether position embeddings cover the prefix tokens too (DeiT) or the patches alone (DeiT III). */
  readonly posEmbedPrefix: boolean;
  /** Whether register tokens are among those that position embeddings cover; false by default, as in DINOv2. */
  readonly registerPositions?: boolean;
  /** Whether a layer norm follows the embeddings (CLIP); false by default. */
  readonly preNorm?: boolean;
  /** Whether a layer norm follows the blocks; true by default. */
  readonly finalNorm?: boolean;
  /**
   * What the head reads: `token` (by default) the class token, `mean` the mean of the patch tokens, `token_mean` both
   * side by side (DINOv2's linear head), `map` attention of a learned query over the patch tokens (SigLIP).
   */
  readonly pool?: 'token' | 'mean' | 'token_mean' | 'map';
  /** Whether `mean` and `map` pool the prefix tokens too; false by default: the patch tokens alone. */
  readonly poolPrefix?: boolean;
  /** Whether a layer norm follows the pooling (MAE's and BEiT's fine-tuned models); false by default. */
  readonly fcNorm?: boolean;
  /** Width of a hidden layer with tanh before the head (ViT's pre-logits, BERT's pooler); 0, none, by default. */
  readonly preLogits?: number;
  /** Highest drop path rate; it grows linearly from 0 over the depth. Acts in training only. */
  readonly dropPathRate: number;
  /** Epsilon of every layer norm. */
  readonly layerNormEps: number;
  /** `int8`: the matrices of the blocks are 8-bit codes with a scale for each column (see quantize.ts). */
  readonly quantization?: 'int8';
}

/** What every field of a configuration is; the compiler asks for a row when a field is added. */
interface FieldRow<T> {
  /** The value where nothing is given: DeiT-tiny's. */
  readonly default: T;
  /** Whether it tells one architecture from another, so that the weights of one do not fit the other. */
  readonly shape: boolean;
  /** A line of text if a value cannot be built. */
  readonly check: (value: never, config: VitConfig) => string | undefined;
}

/** Deeper stacks and wider tokens than any published model's are errors of a file, not models. */
const MAX_DEPTH = 1000;
const MAX_WIDTH = 65536;
/** A choice as it is written here: tf.loadLayersModel turns texts like `gelu_tanh` into camel case. */
export function snakeCase<T extends string | undefined>(text: T): T {
  return text?.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as T;
}

const choice = (...choices: readonly string[]) => {
  const check = oneOf(...choices);
  return (value: unknown) => check(typeof value === 'string' ? snakeCase(value) : value);
};

/** Checks of fields that layers take too, whatever the rest of a configuration is. */
export const FIELD_CHECKS = {
  patchSize: (value: VitConfig['patchSize']) =>
    typeof value === 'object' ? pair(1)(value) : wholeFrom(1)(value),
  embedDim: upTo(1, MAX_WIDTH),
  preLogits: upTo(1, MAX_WIDTH),
  numClasses: upTo(0, 1e7),
  activation: choice('gelu', 'gelu_tanh', 'quick_gelu', 'relu', 'silu'),
  parallel: upTo(1, MAX_DEPTH),
  layerScale: (value: number | null) =>
    value === null || Number.isFinite(value) ? undefined : `must be a number or null, got ${String(value)}`,
  registers: upTo(0, 1024),
  pool: choice('token', 'mean', 'token_mean', 'map'),
  dropPathRate: within(0, 1),
  epsilon: above(0, 1),
} as const;

export const VIT_FIELDS: { readonly [F in keyof Required<VitConfig>]: FieldRow<VitConfig[F]> } = {
  name: {
    default: 'vit',
    shape: false,
    check: (value: string) => (typeof value === 'string' && value !== '' ? undefined : 'must be a text'),
  },
  imgSize: { default: [224, 224], shape: false, check: pair(1) },
  patchSize: { default: 16, shape: true, check: FIELD_CHECKS.patchSize },
  patchBias: { default: undefined, shape: true, check: flag },
  inChans: { default: 3, shape: true, check: upTo(1, MAX_WIDTH) },
  numClasses: { default: 1000, shape: false, check: FIELD_CHECKS.numClasses },
  embedDim: { default: 192, shape: true, check: FIELD_CHECKS.embedDim },
  depth: { default: 12, shape: true, check: upTo(1, MAX_DEPTH) },
  numHeads: {
    default: 3,
    shape: true,
    check: (value: number, { embedDim }) =>
      wholeFrom(1)(value) ??
      (embedDim % value === 0
        ? undefined
        : `is ${value}, but embedDim ${embedDim} does not divide into ${value} heads`),
  },
  mlpRatio: {
    default: 4,
    shape: true,
    check: (value: number, config) =>
      above(0)(value) ??
      (mlpDim(config) < 1 ? `is ${value}, which leaves the MLP no hidden unit` : undefined) ??
      (mlpDim(config) <= 16 * MAX_WIDTH ? undefined : `is too large: ${value}`),
  },
  activation: {
    default: undefined,
    shape: true,
    check: oneOf('gelu', 'gelu_tanh', 'quick_gelu', 'relu', 'silu'),
  },
  swiglu: { default: undefined, shape: true, check: flag },
  qkvBias: { default: true, shape: true, check: flag },
  qkNorm: { default: undefined, shape: true, check: flag },
  parallel: { default: undefined, shape: true, check: FIELD_CHECKS.parallel },
  layerScale: { default: null, shape: true, check: FIELD_CHECKS.layerScale },
  classToken: {
    default: undefined,
    shape: true,
    check: (value: boolean, config) =>
      flag(value) ??
      (value || (poolOf(config) !== 'token' && poolOf(config) !== 'token_mean' && !config.distilled)
        ? undefined
        : `is false, but pool ${poolOf(config)}${config.distilled ? ' of a distilled model' : ''} reads it`),
  },
  distilled: {
    default: false,
    shape: true,
    check: (value: boolean, config) =>
      flag(value) ??
      (value && (poolOf(config) !== 'token' || config.fcNorm || config.preLogits)
        ? 'is true: both heads then read their own tokens, without pool, fcNorm or preLogits'
        : undefined),
  },
  distilledHead: { default: undefined, shape: true, check: flag },
  registers: { default: undefined, shape: true, check: FIELD_CHECKS.registers },
  posEmbedPrefix: { default: true, shape: true, check: flag },
  registerPositions: { default: undefined, shape: true, check: flag },
  preNorm: { default: undefined, shape: true, check: flag },
  finalNorm: { default: undefined, shape: true, check: flag },
  pool: { default: undefined, shape: true, check: oneOf('token', 'mean', 'token_mean', 'map') },
  poolPrefix: { default: undefined, shape: true, check: flag },
  fcNorm: { default: undefined, shape: true, check: flag },
  preLogits: { default: undefined, shape: true, check: upTo(0, MAX_WIDTH) },
  dropPathRate: { default: 0, shape: false, check: FIELD_CHECKS.dropPathRate },
  layerNormEps: { default: 1e-6, shape: false, check: FIELD_CHECKS.epsilon },
  quantization: {
    default: undefined,
    shape: false,
    check: (value: string, config) =>
      value === 'int8' ? unquantizable(config) : `must be int8, got ${String(value)}`,
  },
};

const FIELD_NAMES = Object.keys(VIT_FIELDS) as (keyof VitConfig)[];

/** Names of the fields of a configuration. */
export function vitFields(): readonly string[] {
  return FIELD_NAMES;
}

/** A configuration whose every field has its default. */
export const VIT_DEFAULTS = Object.fromEntries(
  FIELD_NAMES.map((name) => [name, VIT_FIELDS[name].default]).filter(([, value]) => value !== undefined),
) as unknown as VitConfig;

/** The fields that may be left out, but for `quantization`, which means itself. */
type Optional = Exclude<
  { [F in keyof VitConfig]-?: undefined extends VitConfig[F] ? F : never }[keyof VitConfig],
  'quantization'
>;

/** What a field that is left out means; the compiler asks for a row when one is added. */
const WHEN_LEFT_OUT: Required<Pick<VitConfig, Optional>> = {
  patchBias: true,
  activation: 'gelu',
  swiglu: false,
  qkNorm: false,
  parallel: 1,
  classToken: true,
  distilledHead: true,
  registers: 0,
  registerPositions: false,
  preNorm: false,
  finalNorm: true,
  pool: 'token',
  poolPrefix: false,
  fcNorm: false,
  preLogits: 0,
};
const MEANT: Partial<Record<keyof VitConfig, unknown>> = WHEN_LEFT_OUT;

/** The same configuration with optional fields left out where they say what their absence means. */
export function compactConfig(config: VitConfig): VitConfig {
  const kept = FIELD_NAMES.filter((name) => config[name] !== undefined && config[name] !== MEANT[name]);
  return Object.fromEntries(kept.map((name) => [name, config[name]])) as unknown as VitConfig;
}

/** Throws a UserError that names the first field which cannot be built. */
export function checkConfig(config: VitConfig): void {
  for (const name of FIELD_NAMES) {
    const value = config[name];
    if (value === undefined && name in MEANT) continue;
    if (value === undefined && name === 'quantization') continue;
    const problem = VIT_FIELDS[name].check(value as never, config);
    if (problem) throw new UserError(`${config.name}: ${name} ${problem}`);
  }
  if (gridSize(config).some((side) => side < 1)) {
    const patch = patchSides(config).join('×');
    throw new UserError(
      `${config.name}: an input of ${config.imgSize.join('×')} pixels is smaller than a patch of ${patch}`,
    );
  }
}

/** Sums of this many products of an 11-bit and an 8-bit code fit in 32 bits: 8192 · 2047 · 127 < 2^31. */
const MAX_QUANTIZED_WIDTH = 8192;

/** Why a model cannot be quantized to int8; undefined if it can. */
function unquantizable(config: VitConfig): string | undefined {
  if (Math.max(config.embedDim, mlpDim(config)) > MAX_QUANTIZED_WIDTH) {
    return `cannot be int8: layers wider than ${MAX_QUANTIZED_WIDTH} cannot be quantized`;
  }
  const variant = (['swiglu', 'qkNorm'] as const).find((field) => config[field]);
  if (variant) return `cannot be int8: blocks with ${variant} are not quantized; load it in float32`;
  if ((config.parallel ?? 1) > 1)
    return 'cannot be int8: parallel blocks are not quantized; load it in float32';
  if ((config.activation ?? 'gelu') !== 'gelu') {
    return `cannot be int8: blocks with ${config.activation} are not quantized, only gelu; load it in float32`;
  }
  return undefined;
}

/** [height, width] of a patch in pixels. */
export function patchSides({ patchSize }: Pick<VitConfig, 'patchSize'>): readonly [number, number] {
  return typeof patchSize === 'number' ? [patchSize, patchSize] : patchSize;
}

/** A patch as it is said: `16×16`. */
export function patchText(config: Pick<VitConfig, 'patchSize'>): string {
  return patchSides(config).join('×');
}

/** Rows and columns of the patch grid. */
export function gridSize(config: Pick<VitConfig, 'imgSize' | 'patchSize'>): [number, number] {
  const [height, width] = patchSides(config);
  return [Math.floor(config.imgSize[0] / height), Math.floor(config.imgSize[1] / width)];
}

/** Hidden width of the MLP. */
function mlpDim(config: Pick<VitConfig, 'embedDim' | 'mlpRatio'>): number {
  // A ratio like 704/960 gives a whole number but for its last bit.
  return Math.floor(config.embedDim * config.mlpRatio + 1e-6);
}

/** What the head reads. */
export function poolOf(config: Pick<VitConfig, 'pool'>): NonNullable<VitConfig['pool']> {
  return config.pool ?? 'token';
}

/** The fields that say what stands before the patches. */
export type TokensConfig = Pick<
  VitConfig,
  'classToken' | 'distilled' | 'registers' | 'posEmbedPrefix' | 'registerPositions'
>;

/** The fields of a layer's arguments that say what stands before the patches. */
export function tokensArgs(args: TokensConfig): TokensConfig {
  const { distilled, posEmbedPrefix, classToken, registers, registerPositions } = args;
  return {
    distilled,
    posEmbedPrefix,
    ...variants({ classToken, registers, registerPositions }),
  };
}

/** Optional fields that differ from their default. */
function variants<T extends Partial<VitConfig>>(fields: T): Partial<T> {
  const differs = ([name, value]: [string, unknown]) =>
    value !== undefined && value !== MEANT[name as keyof VitConfig];
  return Object.fromEntries(Object.entries(fields).filter(differs)) as Partial<T>;
}

/** Weights of the tokens before the patches. */
export type PrefixName = 'cls_token' | 'dist_token' | 'reg_token';

/** Names and lengths of the tokens before the patches, in order, and whether position embeddings cover them. */
function prefixParts(config: TokensConfig): { name: PrefixName; length: number; covered: boolean }[] {
  const covered = config.posEmbedPrefix;
  const parts: { name: PrefixName; length: number; covered: boolean }[] = [
    { name: 'cls_token', length: config.classToken === false ? 0 : 1, covered },
    { name: 'dist_token', length: config.distilled ? 1 : 0, covered },
    {
      name: 'reg_token',
      length: config.registers ?? 0,
      covered: covered && config.registerPositions === true,
    },
  ];
  return parts.filter(({ length }) => length > 0);
}

/** Number of tokens before the patches: class, distillation and register tokens. */
export function numPrefixTokens(config: TokensConfig): number {
  return prefixParts(config).reduce((sum, { length }) => sum + length, 0);
}

/** Number of position embeddings before those of the patches. */
export function numPrefixPositions(config: TokensConfig): number {
  return prefixParts(config).reduce((sum, { length, covered }) => sum + (covered ? length : 0), 0);
}

/** What stands before the patch tokens, as `Ops.addTokens` takes it. */
export function tokensSpec(config: TokensConfig): TokensSpec {
  let positions = 0;
  const prefix = prefixParts(config).map(({ name, length, covered }): PrefixTokenSpec => {
    const position = covered ? positions : null;
    if (covered) positions += length;
    return { name, position };
  });
  return { prefix, posEmbed: 'pos_embed', firstPatch: positions };
}

/** Length of each prefix token's weight by its name. */
export function prefixLengths(config: TokensConfig): ReadonlyMap<PrefixName, number> {
  return new Map(prefixParts(config).map(({ name, length }) => [name, length]));
}

/** Number of tokens of an image: prefix and patches. */
export function numTokens(config: VitConfig): number {
  const [rows, columns] = gridSize(config);
  return numPrefixTokens(config) + rows * columns;
}

/** Names of the heads, each with the index of the token that it reads where they read tokens. */
export function headNames(config: VitConfig): readonly ('head' | 'head_dist')[] {
  return config.distilled && config.distilledHead !== false ? ['head', 'head_dist'] : ['head'];
}

/** Width of what the head reads: pooled features, after the hidden layer if there is one. */
export function headWidth(config: VitConfig): number {
  return config.preLogits || (poolOf(config) === 'token_mean' ? 2 : 1) * config.embedDim;
}

/** One transformer block's fields; variants are left out where they have their default. */
export interface BlockConfig {
  readonly numHeads: number;
  /** Width of the MLP's hidden layer. */
  readonly mlpDim: number;
  readonly qkvBias: boolean;
  /** Initial value of LayerScale's gamma, or null for none. */
  readonly layerScale: number | null;
  /** Probability with which either branch is left out for a sample, in training. */
  readonly dropPathRate: number;
  /** Epsilon of the layer norms. */
  readonly epsilon: number;
  readonly activation?: VitConfig['activation'];
  readonly swiglu?: boolean;
  readonly qkNorm?: boolean;
  readonly parallel?: number;
  readonly quantization?: 'int8';
  /** Of a quantized block, tokens before the patches, which are computed with more bits: the logits depend on them. */
  readonly prefixTokens?: number;
}

/** The fields of a block among a layer's arguments. */
export function blockArgs(args: BlockConfig): BlockConfig {
  const { numHeads, mlpDim, qkvBias, layerScale, dropPathRate, epsilon } = args;
  const { swiglu, qkNorm, parallel, quantization, prefixTokens = 0 } = args;
  const activation = snakeCase(args.activation);
  return {
    numHeads,
    mlpDim,
    qkvBias,
    layerScale,
    dropPathRate,
    epsilon,
    ...variants({ activation, swiglu, qkNorm, parallel }),
    ...(quantization ? { quantization, prefixTokens } : {}),
  };
}

/** The fields of block `index`. */
export function blockConfig(config: VitConfig, index: number): BlockConfig {
  const { depth, numHeads, qkvBias, layerScale, layerNormEps: epsilon, quantization } = config;
  const { activation, swiglu, qkNorm, parallel } = config;
  return {
    numHeads,
    mlpDim: mlpDim(config),
    qkvBias,
    layerScale,
    dropPathRate: depth > 1 ? (config.dropPathRate * index) / (depth - 1) : 0,
    epsilon,
    ...variants({ activation, swiglu, qkNorm, parallel }),
    ...(quantization ? { quantization, prefixTokens: numPrefixTokens(config) } : {}),
  };
}

/** What lies between the blocks and the head, where it is more than the class token. */
export interface PoolConfig {
  readonly pool: NonNullable<VitConfig['pool']>;
  readonly prefixTokens: number;
  /** Of `map`: the attention's heads, the MLP's hidden width and its non-linearity, the layer norm's epsilon. */
  readonly numHeads?: number;
  readonly mlpDim?: number;
  readonly activation?: VitConfig['activation'];
  readonly epsilon?: number;
}

/** The fields of a pooling among a layer's arguments. */
export function poolArgs({
  pool,
  prefixTokens,
  numHeads,
  mlpDim,
  activation,
  epsilon,
}: PoolConfig): PoolConfig {
  const base = { pool: snakeCase(pool), prefixTokens };
  if (base.pool !== 'map') return base;
  return { ...base, numHeads, mlpDim, epsilon, ...variants({ activation: snakeCase(activation) }) };
}

/** What lies between the blocks and the head of a model. */
export function poolConfig(config: VitConfig): PoolConfig {
  const { numHeads, layerNormEps: epsilon, activation } = config;
  const pool = poolOf(config);
  // Of the tokens before the patches those that are left out.
  const prefixTokens = config.poolPrefix ? 0 : numPrefixTokens(config);
  return poolArgs({ pool, prefixTokens, numHeads, mlpDim: mlpDim(config), activation, epsilon });
}

/** The first field in which two architectures differ, or undefined if one's blocks fit the other. */
export function differingField(a: VitConfig, b: VitConfig): keyof VitConfig | undefined {
  const value = (config: VitConfig, name: keyof VitConfig) => {
    const given = config[name] ?? MEANT[name];
    return name === 'layerScale' ? String(given === null) : String(given);
  };
  return FIELD_NAMES.find((name) => VIT_FIELDS[name].shape && value(a, name) !== value(b, name));
}
