/** The shape of a vision transformer. Plain data: it is stored in a converted model's metadata. */
export interface VitConfig {
  /** Name of the model, e.g. `deit_tiny_patch16_224`. */
  readonly name: string;
  /** Input size in pixels, [height, width]. */
  readonly imgSize: readonly [number, number];
  /** Side of a square patch in pixels. */
  readonly patchSize: number;
  /** Channels of the input picture. */
  readonly inChans: number;
  /**
   * Number of classes; 0 means no head: the output is the class token after the final norm, of a distilled model the
   * mean of class and distillation token.
   */
  readonly numClasses: number;
  /** Width D of a token. */
  readonly embedDim: number;
  /** Number of transformer blocks. */
  readonly depth: number;
  /** Attention heads in a block; divides embedDim. */
  readonly numHeads: number;
  /** Hidden width of the MLP as a multiple of embedDim. */
  readonly mlpRatio: number;
  /** Whether the query, key and value projection has a bias. */
  readonly qkvBias: boolean;
  /** Initial value of LayerScale's gamma, or null for a model without LayerScale. */
  readonly layerScale: number | null;
  /** Whether there is a distillation token with a head of its own beside the class token (DeiT, section 3). */
  readonly distilled: boolean;
  /** Whether position embeddings cover the prefix tokens too (DeiT) or the patches alone (DeiT III). */
  readonly posEmbedPrefix: boolean;
  /** Highest drop path rate; it grows linearly from 0 over the depth. Acts in training only. */
  readonly dropPathRate: number;
  /** Epsilon of every layer norm. */
  readonly layerNormEps: number;
  /** `int8`: the matrices of the blocks are 8-bit codes with a scale for each column (see quantize.ts). */
  readonly quantization?: 'int8';
}

/** Number of tokens put before the patches: the class token, and the distillation token if there is one. */
export function numPrefixTokens(config: VitConfig): 1 | 2 {
  return config.distilled ? 2 : 1;
}

/** Rows and columns of the patch grid. */
export function gridSize(config: VitConfig): [number, number] {
  return [Math.floor(config.imgSize[0] / config.patchSize), Math.floor(config.imgSize[1] / config.patchSize)];
}

/** Hidden width of the MLP. */
export function mlpDim(config: VitConfig): number {
  return Math.floor(config.embedDim * config.mlpRatio);
}

/** Fields that tell one architecture from another; the number of classes and the input size do not. */
const SHAPE_FIELDS = [
  'patchSize',
  'inChans',
  'embedDim',
  'depth',
  'numHeads',
  'mlpRatio',
  'qkvBias',
  'distilled',
  'posEmbedPrefix',
] as const;

/** The first field in which two architectures differ, or undefined if one's blocks fit the other. */
export function differingField(a: VitConfig, b: VitConfig): keyof VitConfig | undefined {
  const field = SHAPE_FIELDS.find((name) => a[name] !== b[name]);
  if (field) return field;
  return (a.layerScale === null) === (b.layerScale === null) ? undefined : 'layerScale';
}

/** A weight of a model: its name in tfjs and its shape there. */
export interface WeightSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether its values are whole numbers from -127 to 127. */
  readonly codes?: boolean;
}

/**
 * Every weight of a model in tfjs' layout, in the order in which a converted model stores them. Matrices are
 * [in, out] and the patch projection is [p, p, C, D], where PyTorch has [out, in] and [D, C, p, p].
 */
export function weightSpecs(config: VitConfig): WeightSpec[] {
  const { embedDim: d, patchSize: p, numClasses } = config;
  const [rows, cols] = gridSize(config);
  const prefix = config.posEmbedPrefix ? numPrefixTokens(config) : 0;
  const hidden = mlpDim(config);
  const specs: WeightSpec[] = [
    { name: 'patch_embed.kernel', shape: [p, p, config.inChans, d] },
    { name: 'patch_embed.bias', shape: [d] },
    { name: 'cls_token', shape: [1, 1, d] },
  ];
  if (config.distilled) specs.push({ name: 'dist_token', shape: [1, 1, d] });
  specs.push({ name: 'pos_embed', shape: [1, prefix + rows * cols, d] });
  const add = (name: string, shape: number[]) => specs.push({ name, shape });
  const addMatrix = (name: string, shape: [number, number]) => {
    if (config.quantization === undefined) return add(`${name}.kernel`, shape);
    specs.push({ name: `${name}.kernel`, shape, codes: true });
    return add(`${name}.scale`, [shape[1]]);
  };
  for (let i = 0; i < config.depth; i++) {
    const block = `blocks.${i}`;
    add(`${block}.norm1.gamma`, [d]);
    add(`${block}.norm1.beta`, [d]);
    addMatrix(`${block}.attn.qkv`, [d, 3 * d]);
    if (config.qkvBias) add(`${block}.attn.qkv.bias`, [3 * d]);
    addMatrix(`${block}.attn.proj`, [d, d]);
    add(`${block}.attn.proj.bias`, [d]);
    if (config.layerScale !== null) add(`${block}.ls1.gamma`, [d]);
    add(`${block}.norm2.gamma`, [d]);
    add(`${block}.norm2.beta`, [d]);
    addMatrix(`${block}.mlp.fc1`, [d, hidden]);
    add(`${block}.mlp.fc1.bias`, [hidden]);
    addMatrix(`${block}.mlp.fc2`, [hidden, d]);
    add(`${block}.mlp.fc2.bias`, [d]);
    if (config.layerScale !== null) add(`${block}.ls2.gamma`, [d]);
  }
  add('norm.gamma', [d]);
  add('norm.beta', [d]);
  if (numClasses > 0) {
    add('head.kernel', [d, numClasses]);
    add('head.bias', [numClasses]);
    if (config.distilled) {
      add('head_dist.kernel', [d, numClasses]);
      add('head_dist.bias', [numClasses]);
    }
  }
  return specs;
}

/** The name of a weight in a saved model: tfjs puts the name of its layer before it. */
export function savedWeightName(name: string): string {
  const block = /^blocks\.\d+/.exec(name);
  if (block) return `${block[0]}/${name}`;
  return name.includes('.') ? `${name.split('.')[0]}/${name}` : `tokens/${name}`;
}
