import { expect, test } from '@jest/globals';
import { VIT_DEFAULTS, type VitConfig } from '../../../src/families/vit/config.js';
import { VIT_LINEARS, VIT_NORMS, VIT_TENSORS, weightSpecs } from '../../../src/families/vit/weights.js';

/** Together these have every weight that there is. */
const variants: Partial<VitConfig>[] = [
  { distilled: true, layerScale: 0.1 },
  { preNorm: true, qkNorm: true, registers: 2, pool: 'map' },
  { parallel: 2, layerScale: 0.1, qkNorm: true, swiglu: true },
  { pool: 'mean', fcNorm: true, preLogits: 8 },
];

const parts = [
  ...VIT_TENSORS,
  ...VIT_NORMS.flatMap((norm) => [`${norm}.gamma`, `${norm}.beta`]),
  ...VIT_LINEARS.flatMap((linear) => [`${linear}.kernel`, `${linear}.bias`]),
];

/** `blocks.0.attns.1.norm.gamma` → `blocks.*.attns.*.norm.gamma`. */
const general = (name: string) => name.replace(/(?<=^blocks\.|\.attns\.|\.ffns\.)\d+/g, '*');

test('every weight belongs to a part that namings have rows for, and every part is some model’s', () => {
  const weights = variants.flatMap((variant) => weightSpecs({ ...VIT_DEFAULTS, ...variant }));
  const found = new Set(weights.map(({ name }) => general(name)));
  expect([...found].sort()).toEqual([...parts].sort());
});
