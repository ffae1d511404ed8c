import { gridSize, numPrefixTokens, type VitConfig } from '../../../src/models/config.js';
import type { WeightReader } from '../../../src/models/weights.js';

/** y = x · kernel + bias, with kernel [rows, cols] row by row. */
export interface Linear {
  readonly kernel: Float32Array;
  readonly bias: Float32Array;
}

/** Names of a block's weights in the graph. */
export type FoldedName =
  | `attn/${'query' | 'key' | 'value' | 'proj'}/kernel`
  | `attn/${'query' | 'proj'}/bias`
  | `mlp/${'fc1' | 'fc2'}/${'kernel' | 'bias'}`;

/** The weights of a block with everything constant folded in; see foldBlock. */
export type FoldedBlock = Record<FoldedName, Float32Array>;

/**
 * The weights of block `index`, such that the block computes the same with fewer operations:
 *
 * - a layer norm's gamma and beta go into the products behind it;
 * - attention's scale 1/√d goes into the query;
 * - the key's bias is dropped: it adds the same to every score of a query, which softmax ignores;
 * - the value's bias goes into the projection's: the attention weights of a query add up to 1;
 * - LayerScale goes into the projection and fc2;
 * - what is written to the residual stream has its mean over the D channels taken off. Only layer norms read the
 *   stream, and they take the mean off themselves; so it is 0 throughout, and a layer norm is left with
 *   x / √(mean(x²) + ε).
 */
export async function foldBlock(config: VitConfig, read: WeightReader, index: number): Promise<FoldedBlock> {
  const d = config.embedDim;
  const get = (name: string) => read(`blocks.${index}.${name}`);
  const getScale = (name: string) => (config.layerScale === null ? null : get(name));
  const qkvBias = config.qkvBias ? await get('attn.qkv.bias') : new Float32Array(3 * d);
  const qkv = foldNorm(
    await get('attn.qkv.kernel'),
    qkvBias,
    await get('norm1.gamma'),
    await get('norm1.beta'),
  );
  const [query, key, value] = [0, 1, 2].map((part) => columns(qkv, part * d, d)) as [Linear, Linear, Linear];
  const proj = { kernel: await get('attn.proj.kernel'), bias: await get('attn.proj.bias') };
  const projBias = addProduct(proj.bias, value.bias, proj.kernel);
  const scaledQuery = scale(query, 1 / Math.sqrt(d / config.numHeads));
  const residual = toResidual(proj.kernel, projBias, await getScale('ls1.gamma'));
  const fc1 = foldNorm(
    await get('mlp.fc1.kernel'),
    await get('mlp.fc1.bias'),
    await get('norm2.gamma'),
    await get('norm2.beta'),
  );
  const fc2 = toResidual(await get('mlp.fc2.kernel'), await get('mlp.fc2.bias'), await getScale('ls2.gamma'));
  return {
    'attn/query/kernel': scaledQuery.kernel,
    'attn/query/bias': scaledQuery.bias,
    'attn/key/kernel': key.kernel,
    'attn/value/kernel': value.kernel,
    'attn/proj/kernel': residual.kernel,
    'attn/proj/bias': residual.bias,
    'mlp/fc1/kernel': fc1.kernel,
    'mlp/fc1/bias': fc1.bias,
    'mlp/fc2/kernel': fc2.kernel,
    'mlp/fc2/bias': fc2.bias,
  };
}

/** The patch projection's kernel [p, p, C, D], centred as the residual stream is; its bias is in foldTokens. */
export async function foldPatchEmbed(config: VitConfig, read: WeightReader): Promise<Float32Array> {
  return centreRows(await read('patch_embed.kernel'), config.embedDim);
}

/** What is added to the prefix rows of zeros and the projected patches, [T + N, D]: tokens, positions, patch bias. */
export async function foldTokens(config: VitConfig, read: WeightReader): Promise<Float32Array> {
  const d = config.embedDim;
  const prefix = numPrefixTokens(config);
  const [rows, cols] = gridSize(config);
  const position = await read('pos_embed');
  const tokens = new Float32Array((prefix + rows * cols) * d);
  tokens.set(position, config.posEmbedPrefix ? 0 : prefix * d);
  addTo(tokens.subarray(0, d), await read('cls_token'));
  if (config.distilled) addTo(tokens.subarray(d, 2 * d), await read('dist_token'));
  const bias = await read('patch_embed.bias');
  for (let row = prefix * d; row < tokens.length; row += d) addTo(tokens.subarray(row, row + d), bias);
  return centreRows(tokens, d);
}

/**
 * The head with the final norm folded in, [prefix · D, classes]: for a distilled model both heads stacked and
 * halved, which gives the mean of their logits.
 */
export async function foldHead(config: VitConfig, read: WeightReader): Promise<Linear> {
  const [gamma, beta] = [await read('norm.gamma'), await read('norm.beta')];
  const head = async (name: string) =>
    foldNorm(await read(`${name}.kernel`), await read(`${name}.bias`), gamma, beta);
  const first = await head('head');
  if (!config.distilled) return first;
  const second = await head('head_dist');
  const kernel = new Float32Array(first.kernel.length * 2);
  kernel.set(first.kernel);
  kernel.set(second.kernel, first.kernel.length);
  return scale({ kernel, bias: first.bias.map((b, i) => b + second.bias[i]!) }, 0.5);
}

/** (x̂·γ + β) · W + b = x̂ · (γ ⊙ W) + (β · W + b), with γ along the rows of W. */
function foldNorm(kernel: Float32Array, bias: Float32Array, gamma: Float32Array, beta: Float32Array): Linear {
  const cols = bias.length;
  const scaled = new Float32Array(kernel.length);
  for (let i = 0, at = 0; i < gamma.length; i++) {
    for (let j = 0; j < cols; j++, at++) scaled[at] = kernel[at]! * gamma[i]!;
  }
  return { kernel: scaled, bias: addProduct(bias, beta, kernel) };
}

/** bias + x · kernel, summed in double precision. */
function addProduct(bias: Float32Array, x: Float32Array, kernel: Float32Array): Float32Array {
  const sum = Float64Array.from(bias);
  for (let i = 0, at = 0; i < x.length; i++) {
    for (let j = 0; j < sum.length; j++, at++) sum[j]! += x[i]! * kernel[at]!;
  }
  return Float32Array.from(sum);
}

/** Applies LayerScale's gamma to the columns, if there is one, and takes each row's mean off. */
function toResidual(kernel: Float32Array, bias: Float32Array, gamma: Float32Array | null): Linear {
  const cols = bias.length;
  const scaleColumns = (x: Float32Array) => (gamma === null ? x : x.map((v, i) => v * gamma[i % cols]!));
  return { kernel: centreRows(scaleColumns(kernel), cols), bias: centreRows(scaleColumns(bias), cols) };
}

function centreRows(x: Float32Array, cols: number): Float32Array {
  const centred = new Float32Array(x.length);
  for (let row = 0; row < x.length; row += cols) {
    let sum = 0;
    for (let j = row; j < row + cols; j++) sum += x[j]!;
    const mean = sum / cols;
    for (let j = row; j < row + cols; j++) centred[j] = x[j]! - mean;
  }
  return centred;
}

/** Columns [start, start + count) of a linear map. */
function columns({ kernel, bias }: Linear, start: number, count: number): Linear {
  const cols = bias.length;
  const rows = kernel.length / cols;
  const part = new Float32Array(rows * count);
  for (let i = 0; i < rows; i++) {
    part.set(kernel.subarray(i * cols + start, i * cols + start + count), i * count);
  }
  return { kernel: part, bias: bias.slice(start, start + count) };
}

function scale({ kernel, bias }: Linear, factor: number): Linear {
  return { kernel: kernel.map((v) => v * factor), bias: bias.map((v) => v * factor) };
}

function addTo(target: Float32Array, x: Float32Array): void {
  for (let i = 0; i < target.length; i++) target[i]! += x[i]!;
}
