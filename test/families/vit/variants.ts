/** Small models that differ in one part each: a row of the table in docs/models.md. */
import { readFileSync } from 'node:fs';
import type { VitConfig } from '../../../src/families/vit/config.js';
import { VIT_DEFAULTS } from '../../../src/families/vit/config.js';
import { randomImages, randomWeights } from '../../engines/wasm/models.js';

/** Two blocks, 24 patches of a grid that is not square. */
const BASE: VitConfig = {
  ...VIT_DEFAULTS,
  imgSize: [32, 48],
  patchSize: 8,
  embedDim: 32,
  depth: 2,
  numHeads: 4,
  numClasses: 7,
};

const siglip = { classToken: false, posEmbedPrefix: false, pool: 'map', activation: 'gelu_tanh' } as const;

export const VARIANTS: Readonly<Record<string, Partial<VitConfig>>> = {
  'class token, exact GELU (ViT, DeiT)': {},
  'distilled, two heads (DeiT)': { distilled: true },
  'distilled, one head (Hugging Face)': { distilled: true, distilledHead: false },
  'LayerScale, positions of the patches alone (DeiT III)': { layerScale: 0.5, posEmbedPrefix: false },
  'mean of the patches': { pool: 'mean' },
  'mean and fc_norm, no final norm (MAE fine-tuned)': { pool: 'mean', fcNorm: true, finalNorm: false },
  'mean of all tokens': { pool: 'mean', poolPrefix: true },
  'no class token, mean': { classToken: false, posEmbedPrefix: false, pool: 'mean' },
  'class token and mean side by side (DINOv2)': { pool: 'token_mean' },
  'attention pooling, tanh GELU (SigLIP)': siglip,
  'attention pooling of registers too': { pool: 'map', registers: 2, poolPrefix: true },
  'registers without positions (DINOv2)': { registers: 4 },
  'registers with positions': { registers: 4, registerPositions: true },
  'pre-norm, no bias of the patches (CLIP)': { preNorm: true, patchBias: false },
  'no final norm': { finalNorm: false },
  'norms of queries and keys': { qkNorm: true },
  'no bias of queries, keys and values': { qkvBias: false },
  'quick GELU (CLIP)': { activation: 'quick_gelu' },
  ReLU: { activation: 'relu' },
  SiLU: { activation: 'silu' },
  'SwiGLU (DINOv2 giant)': { swiglu: true },
  'parallel branches (18x2)': { parallel: 2, layerScale: 0.5 },
  'hidden layer before the head (pre-logits, pooler)': { preLogits: 16 },
  'no head': { numClasses: 0 },
  'no head, two tokens': { numClasses: 0, distilled: true },
  'MLP of any width (704/960)': { mlpRatio: 704 / 960 },
  'patch 14': { patchSize: 14, imgSize: [42, 28] },
  'patch 32': { patchSize: 32, imgSize: [64, 96] },
  'patches that are not square': { patchSize: [8, 12] },
  'pixels that fill no patch': { imgSize: [37, 51] },
  'epsilon 1e-12, one channel': { layerNormEps: 1e-12, inChans: 1 },
};

export const BATCH = 2;

/** A variant with weights in which no part is without effect, and images. */
export function variantOf(name: string) {
  const config: VitConfig = { ...BASE, name: 'variant', ...VARIANTS[name] };
  const weights = randomWeights(config);
  return { config, weights, images: randomImages(config, BATCH) };
}

export type Variant = ReturnType<typeof variantOf>;

/** The table of a document: its rows by variant, each by column. Undefined for a document without one. */
export function tableIn(path: string): Map<string, Map<string, string>> {
  const [, body = ''] = readFileSync(path, 'utf8').split(`${START}\n`);
  const [header = '', , ...rows] = body.split('\n\n')[0]!.split('\n').map(cellsOf);
  return new Map(
    rows.map(([name, ...cells]) => [name!, new Map(cells.map((cell, i) => [header[i + 1]!, cell]))]),
  );
}

const cellsOf = (line: string) =>
  line
    .replace(/^\| | \|$/g, '')
    .split(' | ')
    .map((cell) => cell.trim());

/** Stands before the table in a document; what follows up to END is written by variants.test.ts. */
export const START =
  '<!-- variants: written by test/families/vit/variants.test.ts with DEIT_WRITE_VARIANTS=1 -->';
export const END = '<!-- end of variants -->';
