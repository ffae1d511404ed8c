import { describe, expect, test } from '@jest/globals';
import { torchShape } from '../../../converters/tensorLayout.js';
import { blockConfig, VIT_DEFAULTS, type VitConfig } from '../../../src/families/vit/config.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { closedForms } from '../../train/closedForms.js';

/** The models of make_closed_forms.py. */
const small = {
  ...VIT_DEFAULTS,
  imgSize: [32, 32],
  embedDim: 16,
  depth: 1,
  numHeads: 2,
  numClasses: 3,
} as const;
const MODELS: Record<string, VitConfig> = {
  deit_distilled: { ...small, imgSize: [16, 16], patchSize: 8, depth: 2, distilled: true },
  registers_layer_scale_qk_norm: {
    ...small,
    imgSize: [28, 28],
    patchSize: 14,
    depth: 2,
    registers: 4,
    layerScale: 1e-5,
    qkNorm: true,
    posEmbedPrefix: false,
  },
  attention_pool: { ...small, classToken: false, pool: 'map' },
  pre_norm: { ...small, preNorm: true, patchBias: false },
  fc_norm: { ...small, pool: 'mean', fcNorm: true, finalNorm: false },
};

/** timm's name of a weight. */
/** PyTorch's name of a weight: `kernel` and `gamma` are `weight` there, `beta` is `bias`. */
const torchName = (name: string) =>
  /\.ls[12]\.gamma$/.test(name)
    ? name
    : name.replace(/\.(kernel|gamma)$/, '.weight').replace(/\.beta$/, '.bias');
const timmName = (name: string) => torchName(name).replace(/^patch_embed\./, 'patch_embed.proj.');

describe("weight decay acts where timm's param_groups_weight_decay lets it", () => {
  test.each(Object.keys(closedForms.decays))('%s, weight by weight', (model) => {
    const ours = Object.fromEntries(
      weightSpecs(MODELS[model]!).map(({ name, decays }) => [timmName(name), decays]),
    );
    expect(ours).toEqual(closedForms.decays[model]);
  });

  test('not on the codes and scales of quantized matrices, which do not learn', () => {
    const quantized = weightSpecs({ ...small, quantization: 'int8' });
    const fixed = quantized.filter(({ trainable }) => !trainable);
    expect(fixed.map(({ name }) => name)).toEqual(
      ['attn.qkv', 'attn.proj', 'mlp.fc1', 'mlp.fc2'].flatMap((part) => [
        `blocks.0.${part}.kernel`,
        `blocks.0.${part}.scale`,
      ]),
    );
    expect(fixed.some(({ decays }) => decays)).toBe(false);
    expect(fixed.filter(({ codes }) => codes).every(({ name }) => name.endsWith('.kernel'))).toBe(true);
  });
});

test.each(Object.keys(closedForms.shapes))("%s: every weight has the shape of timm's", (model) => {
  const ours = weightSpecs(MODELS[model]!).map(({ name, shape }) => [
    timmName(name),
    name.endsWith('.kernel') ? torchShape(shape) : shape,
  ]);
  expect(Object.fromEntries(ours)).toEqual(closedForms.shapes[model]);
});

test('drop path grows from 0 to its rate over the depth, as timm spreads it', () => {
  const rates = (depth: number) =>
    Array.from(
      { length: depth },
      (_, i) => blockConfig({ ...small, depth, dropPathRate: 0.2 }, i).dropPathRate,
    );
  for (const [i, rate] of rates(5).entries()) expect(rate).toBeCloseTo(closedForms.dropPathRates[i]!, 6);
  expect(rates(1)).toEqual([0]);
});
