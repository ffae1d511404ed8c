/** Steps of a training program, as assembly/step.ts has them. */

import { writeFields } from '../words.js';

/** By the numbers of assembly/program.ts. */
export const OPS = {
  product: 0,
  attend: 1,
  attendGradient: 2,
  layerNorm: 3,
  layerNormGradient: 4,
  scaleGradient: 5,
  reduce: 6,
  patches: 7,
  moveRows: 8,
  sumImages: 9,
  meanRows: 10,
  slope: 11,
  swiglu: 12,
  swigluGradient: 13,
  squares: 14,
  adamW: 15,
  unfold: 16,
  fold: 17,
  depthwise: 18,
  depthwiseGradient: 19,
  depthwiseKernel: 20,
  maxPool: 21,
  maxPoolGradient: 22,
  channelSums: 23,
  channelTotals: 24,
  normalizeChannels: 25,
  normalizeGradient: 26,
  moveMean: 27,
  gate: 28,
  gateGradient: 29,
  activate: 30,
} as const;

export type OpName = keyof typeof OPS;

/** The fields of a step in their order, one word each (assembly/step.ts says what they are). */
const FIELDS = [
  'op',
  'rowParts',
  'columnParts',
  'units',
  'm',
  'n',
  'k',
  'a',
  'aStride',
  'aKind',
  'b',
  'bStride',
  'bKind',
  'y',
  'yStride',
  'z',
  'zStride',
  'bias',
  'activation',
  'scale',
  'residual',
  'residualStride',
  'factors',
  'imageRows',
  'sums',
  'exact',
  'accumulate',
  'epsilon',
  'gamma',
  'beta',
  'p0',
  'p1',
  'p2',
  'p3',
  'p4',
  'p5',
  'p6',
  'p7',
  'p8',
  'p9',
] as const;

export type FieldName = (typeof FIELDS)[number];
export type Fields = { readonly [name in FieldName]?: number };

/** `aKind` and `bKind` of an operand that a product reads transposed. */
export const TRANSPOSED = 1;

export const STEP_WORDS = FIELDS.length;

export function writeStep(step: Fields, words: Int32Array): void {
  writeFields(FIELDS, step, words);
}
