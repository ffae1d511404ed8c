import {
  type BlockConfig,
  blockConfig,
  gridSize,
  headNames,
  headWidth,
  numPrefixPositions,
  type PoolConfig,
  patchSides,
  poolConfig,
  poolOf,
  prefixLengths,
  type TokensConfig,
  type VitConfig,
} from './config.js';

/** What a weight starts training from; see initialWeights.ts. */
export type Initial =
  | { readonly kind: 'zeros' | 'ones' }
  | { readonly kind: 'constant'; readonly value: number }
  /** Normal with standard deviation 0.02. */
  | { readonly kind: 'normal' }
  /** Uniform within ±1/√fanIn, as torch.nn.Conv2d. */
  | { readonly kind: 'uniform'; readonly fanIn: number };

/**
 * A row of a model's table of weights. Building, initialising, decaying, converting, exporting, quantising and counting
 * read it. Matrices are [in, out] and the patch projection is [p, q, C, D], where PyTorch has [out, in] and [D, C, p, q].
 */
export interface WeightSpec {
  /** Name in tfjs, e.g. `blocks.0.attn.qkv.kernel`. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly initial: Initial;
  /**
   * Whether weight decay acts on it: not on biases and norms, which are vectors (timm, param_groups_weight_decay), nor
   * on facebookresearch/deit's no_weight_decay list.
   */
  readonly decays: boolean;
  /** Whether its values are whole numbers from -127 to 127: a quantized matrix, with a scale of its own. */
  readonly codes?: boolean;
  /** Whether training changes it; a quantized matrix stays. */
  readonly trainable: boolean;
}

/** Layer norms, with the numbers of blocks and branches as `*`. Each has `.gamma` and `.beta`. */
export const VIT_NORMS = [
  'norm_pre',
  'blocks.*.norm1',
  'blocks.*.attn.q_norm',
  'blocks.*.attn.k_norm',
  'blocks.*.norm2',
  'blocks.*.attns.*.norm',
  'blocks.*.attns.*.attn.q_norm',
  'blocks.*.attns.*.attn.k_norm',
  'blocks.*.ffns.*.norm',
  'norm',
  'attn_pool.norm',
  'fc_norm',
] as const;

/** Linear layers and the patch projection. Each has `.kernel`, and `.bias` unless the config says that it has none. */
export const VIT_LINEARS = [
  'patch_embed',
  'blocks.*.attn.qkv',
  'blocks.*.attn.proj',
  'blocks.*.mlp.fc1',
  'blocks.*.mlp.fc2',
  'blocks.*.attns.*.attn.qkv',
  'blocks.*.attns.*.attn.proj',
  'blocks.*.ffns.*.mlp.fc1',
  'blocks.*.ffns.*.mlp.fc2',
  'attn_pool.q',
  'attn_pool.kv',
  'attn_pool.proj',
  'attn_pool.mlp.fc1',
  'attn_pool.mlp.fc2',
  'pre_logits',
  'head',
  'head_dist',
] as const;

/** Weights that stand by themselves. */
export const VIT_TENSORS = [
  'cls_token',
  'dist_token',
  'reg_token',
  'pos_embed',
  'blocks.*.ls1.gamma',
  'blocks.*.ls2.gamma',
  'blocks.*.attns.*.ls.gamma',
  'blocks.*.ffns.*.ls.gamma',
  'attn_pool.latent',
] as const;

type Norm = (typeof VIT_NORMS)[number];
type Linear = (typeof VIT_LINEARS)[number];
type Tensor = (typeof VIT_TENSORS)[number];

/** What a naming has rows for: every weight of weightSpecs belongs to one of these (weights.test.ts). */
export type VitPart = Norm | Linear | Tensor;

type Last<P extends string> = P extends `${string}.${infer Rest}` ? Last<Rest> : P;
type Top<P extends string> = P extends `${string}.${string}` ? never : P;
/** A name that ends like one of these parts: the compiler asks for a row in the lists above when a part is added. */
type NameOf<P extends string> = Top<P> | `${string}.${Last<P>}`;
export type NormName = NameOf<Norm>;
export type LinearName = NameOf<Linear>;

const zeros: Initial = { kind: 'zeros' };
const ones: Initial = { kind: 'ones' };
const normal: Initial = { kind: 'normal' };

/** Rows of a part, added under its name. */
class Table {
  readonly rows: WeightSpec[] = [];

  tensor(name: NameOf<Tensor>, shape: readonly number[], initial: Initial, decays = shape.length > 1): void {
    this.add(name, shape, initial, decays);
  }

  norm(name: NormName, dim: number): void {
    this.add(`${name}.gamma`, [dim], ones);
    this.add(`${name}.beta`, [dim], zeros);
  }

  linear(name: LinearName, from: number, to: number, bias = true): void {
    this.add(`${name}.kernel`, [from, to], normal);
    if (bias) this.add(`${name}.bias`, [to], zeros);
  }

  /** The patch projection. */
  convolution(name: LinearName, shape: readonly number[], initial: Initial, bias: boolean): void {
    this.add(`${name}.kernel`, shape, initial);
    if (bias) this.add(`${name}.bias`, shape.slice(-1), initial);
  }

  /** A block's matrix, which may be quantized: codes and a scale for each column. */
  matrix(name: LinearName, from: number, to: number, quantization: 'int8' | undefined, bias = true): void {
    if (!quantization) {
      this.linear(name, from, to, bias);
      return;
    }
    const fixed = { decays: false, trainable: false };
    this.rows.push({ name: `${name}.kernel`, shape: [from, to], initial: zeros, codes: true, ...fixed });
    this.rows.push({ name: `${name}.scale`, shape: [to], initial: ones, ...fixed });
    if (bias) this.add(`${name}.bias`, [to], zeros);
  }

  private add(name: string, shape: readonly number[], initial: Initial, decays = shape.length > 1): void {
    this.rows.push({ name, shape, initial, decays, trainable: true });
  }
}

/** The patch projection's weights. */
export function patchEmbedWeights(
  name: LinearName,
  inChans: number,
  embedDim: number,
  { patchSize, patchBias = true }: Pick<VitConfig, 'patchSize' | 'patchBias'>,
): WeightSpec[] {
  const [height, width] = patchSides({ patchSize });
  const initial: Initial = { kind: 'uniform', fanIn: inChans * height * width };
  const table = new Table();
  table.convolution(name, [height, width, inChans, embedDim], initial, patchBias);
  return table.rows;
}

/** Prefix tokens and position embeddings. */
export function tokensWeights(config: TokensConfig, patches: number, dim: number): WeightSpec[] {
  const table = new Table();
  for (const [name, length] of prefixLengths(config)) {
    table.tensor(name, [1, length, dim], normal, name === 'reg_token');
  }
  table.tensor('pos_embed', [1, numPrefixPositions(config) + patches, dim], normal, false);
  return table.rows;
}

/** A layer norm's weights. */
export function layerNormWeights(name: NormName, dim: number): WeightSpec[] {
  const table = new Table();
  table.norm(name, dim);
  return table.rows;
}

/** Attention's projections. */
export function attentionWeights(
  name: string,
  dim: number,
  config: Pick<BlockConfig, 'numHeads' | 'qkvBias' | 'qkNorm' | 'quantization'>,
): WeightSpec[] {
  const table = new Table();
  table.matrix(`${name}.qkv`, dim, 3 * dim, config.quantization, config.qkvBias);
  if (config.qkNorm) {
    table.norm(`${name}.q_norm`, dim / config.numHeads);
    table.norm(`${name}.k_norm`, dim / config.numHeads);
  }
  table.matrix(`${name}.proj`, dim, dim, config.quantization);
  return table.rows;
}

/** The MLP's two linear layers; a gated one's first gives both halves. */
export function mlpWeights(
  name: string,
  dim: number,
  config: Pick<BlockConfig, 'mlpDim' | 'swiglu' | 'quantization'>,
): WeightSpec[] {
  const table = new Table();
  table.matrix(`${name}.fc1`, dim, (config.swiglu ? 2 : 1) * config.mlpDim, config.quantization);
  table.matrix(`${name}.fc2`, config.mlpDim, dim, config.quantization);
  return table.rows;
}

/** LayerScale's factors. */
export function layerScaleWeights(name: string, dim: number, value: number): WeightSpec[] {
  const table = new Table();
  table.tensor(`${name}.gamma`, [dim], { kind: 'constant', value });
  return table.rows;
}

/** Names of a branch's parts. */
export interface BranchNames {
  readonly norm: NormName;
  /** Attention or MLP. */
  readonly main: string;
  /** LayerScale, if the model has it. */
  readonly scale: string | undefined;
}

/** The attention branches of block `name`, then its MLP branches: one each, or several side by side. */
export function branches(
  name: string,
  { parallel = 1, layerScale }: Pick<BlockConfig, 'parallel' | 'layerScale'>,
): { readonly attention: readonly BranchNames[]; readonly mlp: readonly BranchNames[] } {
  const scale = (part: string) => (layerScale === null ? undefined : part);
  if (parallel === 1) {
    return {
      attention: [{ norm: `${name}.norm1`, main: `${name}.attn`, scale: scale(`${name}.ls1`) }],
      mlp: [{ norm: `${name}.norm2`, main: `${name}.mlp`, scale: scale(`${name}.ls2`) }],
    };
  }
  const side = (kind: 'attns' | 'ffns', main: 'attn' | 'mlp') =>
    Array.from({ length: parallel }, (_, i): BranchNames => {
      const at = `${name}.${kind}.${i}`;
      return { norm: `${at}.norm`, main: `${at}.${main}`, scale: scale(`${at}.ls`) };
    });
  return { attention: side('attns', 'attn'), mlp: side('ffns', 'mlp') };
}

/** A transformer block's weights. */
export function blockWeights(name: string, dim: number, config: BlockConfig): WeightSpec[] {
  const { attention, mlp } = branches(name, config);
  const scaleOf = ({ scale }: BranchNames) =>
    scale ? layerScaleWeights(scale, dim, config.layerScale as number) : [];
  return [
    ...attention.flatMap((branch) => [
      ...layerNormWeights(branch.norm, dim),
      ...attentionWeights(branch.main, dim, config),
      ...scaleOf(branch),
    ]),
    ...mlp.flatMap((branch) => [
      ...layerNormWeights(branch.norm, dim),
      ...mlpWeights(branch.main, dim, config),
      ...scaleOf(branch),
    ]),
  ];
}

/** The weights of attention pooling, of none for any other. */
export function poolWeights(name: string, dim: number, config: PoolConfig): WeightSpec[] {
  if (config.pool !== 'map') return [];
  const table = new Table();
  table.tensor(`${name}.latent`, [1, 1, dim], normal);
  table.linear(`${name}.q`, dim, dim);
  table.linear(`${name}.kv`, dim, 2 * dim);
  table.linear(`${name}.proj`, dim, dim);
  table.norm(`${name}.norm`, dim);
  table.linear(`${name}.mlp.fc1`, dim, config.mlpDim!);
  table.linear(`${name}.mlp.fc2`, config.mlpDim!, dim);
  return table.rows;
}

/** A linear layer's weights. */
export function linearWeights(name: LinearName, from: number, to: number): WeightSpec[] {
  const table = new Table();
  table.linear(name, from, to);
  return table.rows;
}

/** Name of the pooling's layer and weights. */
export function poolName(config: VitConfig): string {
  return poolOf(config) === 'map' ? 'attn_pool' : 'pool';
}

/** Every weight of a model, in the order in which a converted model stores them. */
export function weightSpecs(config: VitConfig): WeightSpec[] {
  const { embedDim: d, numClasses } = config;
  const [rows, columns] = gridSize(config);
  const width = headWidth(config);
  const pooled = config.preLogits ? headWidth({ ...config, preLogits: 0 }) : width;
  return [
    ...patchEmbedWeights('patch_embed', config.inChans, d, config),
    ...tokensWeights(config, rows * columns, d),
    ...(config.preNorm ? layerNormWeights('norm_pre', d) : []),
    ...Array.from({ length: config.depth }, (_, i) =>
      blockWeights(`blocks.${i}`, d, blockConfig(config, i)),
    ).flat(),
    ...(config.finalNorm === false ? [] : layerNormWeights('norm', d)),
    ...poolWeights(poolName(config), d, poolConfig(config)),
    ...(config.fcNorm ? layerNormWeights('fc_norm', pooled) : []),
    ...(config.preLogits ? linearWeights('pre_logits', pooled, width) : []),
    ...(numClasses > 0 ? headNames(config).flatMap((name) => linearWeights(name, width, numClasses)) : []),
  ];
}

/** The name of a weight in a saved model: tfjs puts the name of its layer before it. */
export function savedWeightName(name: string): string {
  const block = /^blocks\.\d+/.exec(name);
  if (block) return `${block[0]}/${name}`;
  return name.includes('.') ? `${name.split('.')[0]}/${name}` : `tokens/${name}`;
}

/** Whether a weight belongs to the heads, which are replaced for other classes. */
export function isHeadWeight(name: string): boolean {
  return /^head(_dist)?\./.test(name);
}
