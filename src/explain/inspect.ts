import * as tf from '@tensorflow/tfjs-core';
import { checkArguments } from '../checkArguments.js';
import { checkOptions } from '../checkOptions.js';
import { UserError } from '../errors.js';
import { blockConfig, headNames, type VitConfig } from '../families/vit/config.js';
import { forward, type Watch } from '../families/vit/forward.js';
import { TfjsVitOps } from '../families/vit/vitOps.js';
import { branches } from '../families/vit/weights.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { namedWeights } from '../models/weights.js';
import type { AttentionOptions } from '../ops/interface.js';
import { patchesOf } from './attentionMap.js';
import { checkOne, readAll } from './attentionStack.js';
import { type Inspection, splitInspection } from './inspection.js';
import { toStack } from './toStack.js';
import type { AttentionStack, PatchMap, PrefixToken } from './types.js';

/**
 * Logits, heads, patch features and attention of one image, in one forward pass.
 *
 * @param x float32 [1, H, W, C], normalised
 * @throws UserError for a batch of several, another shape, or a model that was disposed of
 */
export async function inspect(model: VisionTransformer, x: tf.Tensor4D): Promise<Inspection> {
  checkArguments('inspect', { model: ['model', model], x: ['tensor', x] });
  checkInput(model, x);
  const { config } = model;
  const row = await model.inspectRows(x);
  if (row) return splitInspection(config, row);
  const count = headNames(config).length;
  const outputs = model.onBackend(() =>
    tf.tidy(() => {
      const ops = new WatchingOps(model);
      const watch: Watch<tf.Tensor> = {
        attention: (...args) => ops.see(...args),
        // Without a final norm the last block's output is what the head reads.
        block: (tokens) => {
          ops.tokens = tokens;
        },
      };
      const logits = forward(ops, config, x as tf.Tensor, { watch });
      const heads = count > 1 ? ops.heads : [];
      return [logits, ...heads, patchTokens(config, ops.tokens!), ...ops.attention];
    }),
  );
  const values = await readAll(model, outputs);
  const heads = count > 1 ? values.slice(1, 1 + count) : [];
  return {
    logits: values[0]!,
    heads,
    patches: values[1 + heads.length]!,
    attention: toStack(config, values.slice(2 + heads.length)),
  };
}

export interface RelevanceOptions {
  /** Index of the class that is explained; the most probable one by default. */
  classIndex?: number;
  /** The token whose relevance is read; `cls` by default. */
  token?: PrefixToken;
}

/**
 * How much each patch speaks for a class, by attention and its gradient: generic attention explainability of Chefer,
 * Gur and Wolf (arXiv 2103.15679, equations 5 and 6): Ā = mean over heads of (∇A ⊙ A)⁺, R = R + Ā R, block by block from
 * R = I; the row of the token is given.
 *
 * @param x float32 [1, H, W, C], normalised
 * @throws UserError for a model without a head, an 8-bit one, or a class that it does not have
 */
export async function relevance(
  model: VisionTransformer,
  x: tf.Tensor4D,
  options: RelevanceOptions = {},
): Promise<PatchMap> {
  checkArguments('relevance', { model: ['model', model], x: ['tensor', x], options: ['fields', options] });
  checkOptions('relevance', options, { classIndex: 'any', token: 'any' });
  checkInput(model, x);
  const { config } = model;
  const { classIndex } = options;
  if (config.numClasses === 0) {
    throw new UserError(`${config.name}: has no head, so no class whose relevance could be shown`);
  }
  if (config.quantization) {
    throw new UserError(
      `${config.name}: has 8-bit weights, through which no gradient goes; load it as float32`,
    );
  }
  if (config.classToken === false) {
    throw new UserError(`${config.name}: has no class token, whose row the relevance is`);
  }
  const known = Number.isInteger(classIndex) && classIndex! >= 0 && classIndex! < config.numClasses;
  if (classIndex !== undefined && !known) {
    throw new UserError(`the model has ${config.numClasses} classes; there is no class ${classIndex}`);
  }
  const tensors = model.onBackend(() => tf.tidy(() => attentionGradients(model, x, classIndex)));
  const values = await readAll(model, tensors);
  const depth = values.length / 2;
  const stack = toStack(config, values.slice(0, depth));
  return relevanceOf(stack, values.slice(depth), options.token);
}

/** The attention weights of each block, then for each the gradient of the class's logit by them. */
function attentionGradients(
  model: VisionTransformer,
  x: tf.Tensor4D,
  classIndex: number | undefined,
): tf.Tensor[] {
  const { config } = model;
  const { tokens, heads } = { ...toStack(config, []), heads: config.numHeads };
  const count = config.depth * branches('', blockConfig(config, 0)).attention.length;
  const zeros = Array.from({ length: count }, () => tf.zeros([1, heads, tokens, tokens]));
  let attention: tf.Tensor[] = [];
  const logitOf = (...added: tf.Tensor[]) => {
    const ops = new WatchingOps(model, added);
    const logits = forward(ops, config, x as tf.Tensor);
    attention = ops.attention.map((weights) => tf.keep(weights));
    const index = classIndex === undefined ? tf.argMax(logits, -1) : tf.tensor1d([classIndex], 'int32');
    return tf.sum(tf.mul(logits, tf.oneHot(index as tf.Tensor1D, config.numClasses))) as tf.Scalar;
  };
  const gradients = tf.grads(logitOf)(zeros);
  // Out of keep again: the tidy around this gives them to the caller.
  const weights = attention.map((kept) => tf.clone(kept));
  tf.dispose(attention);
  return [...weights, ...gradients];
}

/** Equations 5 and 6 for one row: r = e_token, then from the last block to the first r = r + r Ā. */
function relevanceOf(
  stack: AttentionStack,
  gradients: readonly Float32Array[],
  token: PrefixToken = 'cls',
): PatchMap {
  const { tokens, heads } = stack;
  const row = new Float64Array(tokens);
  row[stack.named![token] ?? missingToken()] = 1;
  for (let layer = stack.layers.length - 1; layer >= 0; layer--) {
    const [weights, gradient] = [stack.layers[layer]!, gradients[layer]!];
    const before = row.slice();
    for (let t = 0; t < tokens; t++) {
      if (before[t] === 0) continue;
      for (let h = 0; h < heads; h++) {
        const start = (h * tokens + t) * tokens;
        for (let i = 0; i < tokens; i++) {
          const product = weights[start + i]! * gradient[start + i]!;
          if (product > 0) row[i]! += (before[t]! * product) / heads;
        }
      }
    }
  }
  return patchesOf(stack, row);
}

function missingToken(): never {
  throw new UserError('the model has no distillation token; ask for the token cls');
}

function checkInput(model: VisionTransformer, x: tf.Tensor4D): void {
  const { imgSize, inChans, name } = model.config;
  const expected = [1, ...imgSize, inChans];
  checkOne(x, 'intermediate values are');
  if (x.rank === 4 && expected.every((side, i) => x.shape[i] === side)) return;
  throw new UserError(`${name}: expected a float32 tensor [${expected.join(', ')}], got [${x.shape}]`);
}

/** Tokens [1, T, D] → those of the patches. */
function patchTokens(config: VitConfig, tokens: tf.Tensor): tf.Tensor {
  const { prefixTokens } = toStack(config, []);
  const [, count, width] = tokens.shape as [number, number, number];
  return tf.slice(tokens, [0, prefixTokens, 0], [1, count - prefixTokens, width]);
}

/** Keeps what goes by: attention weights, which it may have changed on the way, tokens, the heads' logits. */
class WatchingOps extends TfjsVitOps {
  readonly attention: tf.Tensor[] = [];
  tokens: tf.Tensor | undefined;
  heads: readonly tf.Tensor[] = [];

  /** @param added tensors [1, heads, T, T] that are added to the attention weights of each block, to have gradients by */
  constructor(
    model: VisionTransformer,
    private readonly added: readonly tf.Tensor[] = [],
  ) {
    const weights = namedWeights(model.layersModel);
    super((name) => weights.get(name)?.read());
  }

  private fused = false;

  /** Of a block that is computed at once its weights are computed beside it. */
  see(x: tf.Tensor, name: string, options: AttentionOptions): void {
    if (this.fused) this.attention.push(this.attentionWeights(x, name, options));
  }

  override fusedBlock(...args: Parameters<TfjsVitOps['fusedBlock']>): tf.Tensor | undefined {
    const out = super.fusedBlock(...args);
    this.fused = out !== undefined;
    return out;
  }

  /** softmax(q kᵀ / √d) v, by the weights that are kept. */
  override selfAttention(x: tf.Tensor, name: string, options: AttentionOptions): tf.Tensor {
    const qkv = this.qkv(x, name, options);
    const [batch, tokens, width] = qkv.shape;
    const { numHeads } = options;
    const parts = tf.reshape(qkv, [batch, tokens, 3, numHeads, width / 3 / numHeads]);
    const [q, k, v] = tf.unstack(tf.transpose(parts, [2, 0, 3, 1, 4])) as [tf.Tensor, tf.Tensor, tf.Tensor];
    const scores = tf.matMul(tf.mul(q, 1 / Math.sqrt(width / 3 / numHeads)), k, false, true);
    const softmax = tf.softmax(scores);
    const added = this.added[this.attention.length];
    this.attention.push(softmax);
    const mixed = tf.matMul(added ? tf.add(softmax, added) : softmax, v);
    return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), [batch, tokens, width / 3]);
  }

  override layerNorm(x: tf.Tensor, name: string, epsilon: number): tf.Tensor {
    const out = super.layerNorm(x, name, epsilon);
    if (name === 'norm') this.tokens = out;
    return out;
  }

  override mean(parts: readonly tf.Tensor[]): tf.Tensor {
    this.heads = parts;
    return super.mean(parts);
  }
}
