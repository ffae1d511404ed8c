/** Small models of every kind, with random weights in which no part is without effect. */
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import {
  createWasmEngine,
  type WasmEngine,
  type WasmEngineOptions,
} from '../../../src/engines/wasm/index.js';
import type { VitConfig } from '../../../src/families/vit/config.js';
import { type ForwardOptions, forward } from '../../../src/families/vit/forward.js';
import { TfjsVitOps } from '../../../src/families/vit/vitOps.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { compileOptimized, startNodeWorker } from '../../../src/node/wasmEngine.js';
import { Random } from '../../../src/random.js';

const BASE: VitConfig = {
  name: 'small',
  imgSize: [20, 28],
  patchSize: 4,
  inChans: 3,
  numClasses: 10,
  embedDim: 24,
  depth: 2,
  numHeads: 3,
  mlpRatio: 4,
  qkvBias: true,
  layerScale: null,
  distilled: false,
  posEmbedPrefix: true,
  dropPathRate: 0,
  layerNormEps: 1e-6,
};

export const configOf = (overrides: Partial<VitConfig>): VitConfig => ({ ...BASE, ...overrides });

/** What a config may be, by what is special about it. */
export const CONFIGS: Record<string, Partial<VitConfig>> = {
  plain: {},
  distilled: { distilled: true },
  'DeiT III': { layerScale: 0.1, posEmbedPrefix: false },
  'no head': { numClasses: 0, distilled: true },
  'patches of 3 × 5, of an image that they do not fill': { patchSize: [3, 5], patchBias: false },
  'one channel, one head of 20': { inChans: 1, embedDim: 20, numHeads: 1, qkvBias: false },
  'heads of 1': { embedDim: 6, numHeads: 6 },
  'widths that fill no tile': { embedDim: 35, numHeads: 5, mlpRatio: 2.1, numClasses: 7 },
  'gelu by tanh': { activation: 'gelu_tanh' },
  'quick gelu': { activation: 'quick_gelu' },
  relu: { activation: 'relu' },
  silu: { activation: 'silu' },
  swiglu: { swiglu: true },
  'swiglu of an odd width': { swiglu: true, mlpRatio: 1.3 },
  'norms of queries and keys': { qkNorm: true },
  'parallel branches': { parallel: 2, layerScale: 0.2 },
  registers: { registers: 4, registerPositions: false },
  'no class token, mean': { classToken: false, pool: 'mean' },
  'mean and its norm': { pool: 'mean', fcNorm: true, finalNorm: false },
  'token and mean': { pool: 'token_mean' },
  'attention pooling': { pool: 'map', classToken: false },
  CLIP: { preNorm: true, patchBias: false, activation: 'quick_gelu' },
  'hidden layer before the head': { preLogits: 12 },
  'deep products': { embedDim: 400, numHeads: 8, depth: 1, distilled: true },
  'one block': { depth: 1 },
  'no block': { depth: 0 },
};

export type Weights = ReadonlyMap<string, Float32Array>;

export function randomWeights(config: VitConfig): Weights {
  const random = Random.fromSeed(7);
  return new Map(
    weightSpecs(config).map(({ name, shape }) => {
      const middle = name.endsWith('gamma') ? 1 : 0;
      const spread = shape.length > 1 ? 0.3 : 0.2;
      const size = shape.reduce((a, b) => a * b, 1);
      return [name, Float32Array.from({ length: size }, () => middle + spread * random.normal())];
    }),
  );
}

export function randomImages(config: VitConfig, batch: number, seed = 3): Float32Array {
  const random = Random.fromSeed(seed);
  const size = config.imgSize[0] * config.imgSize[1] * config.inChans;
  return Float32Array.from({ length: batch * size }, () => random.normal());
}

/** What plain tfjs gives: the operations of src/ops on the cpu backend. */
export async function expected(
  config: VitConfig,
  weights: Weights,
  images: Float32Array,
  batch: number,
): Promise<Float32Array> {
  await tf.setBackend('cpu');
  return tf.tidy(() => {
    const tensors = new Map(
      weightSpecs(config).map(({ name, shape }) => [name, tf.tensor(weights.get(name)!, [...shape])]),
    );
    const x = tf.tensor(images, [batch, ...config.imgSize, config.inChans]);
    return forward<tf.Tensor>(
      new TfjsVitOps((name) => tensors.get(name)),
      config,
      x,
    ).dataSync() as Float32Array;
  });
}

export function openEngine(
  config: VitConfig,
  weights: Weights,
  options: Partial<WasmEngineOptions> & ForwardOptions<never> = {},
): Promise<WasmEngine> {
  const { outputTokensOnly = true, ...rest } = options;
  return createWasmEngine({
    forward: (ops, images) => forward(ops, config, images, { outputTokensOnly }),
    weights: weightSpecs(config),
    readWeight: async (name) => weights.get(name)!,
    inputShape: [...config.imgSize, config.inChans],
    threads: 1,
    startWorker: startNodeWorker,
    compile: compileOptimized,
    ...rest,
  });
}

/** The largest difference, as a part of the largest number. */
export function difference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.NaN;
  const largest = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) / largest;
}
