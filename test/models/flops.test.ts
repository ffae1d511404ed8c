import { expect, test } from '@jest/globals';
import { countFlops, countParameters } from '../../src/families/vit/flops.js';
import { resolveConfig } from '../../src/models/create.js';

/** fvcore's counts of mmpretrain's backbones, and the GFLOPs of the table on mmpretrain's DeiT page. */
const PUBLISHED: [string, number, number | null][] = [
  ['deit_tiny_patch16_224', 1_258_219_200, 1.08],
  ['deit_tiny_distilled_patch16_224', 1_265_371_776, null],
  ['deit_small_patch16_224', 4_607_954_304, 4.24],
  ['deit_small_distilled_patch16_224', 4_632_876_288, null],
  ['deit_base_patch16_224', 17_581_972_224, 16.86],
  ['deit_base_distilled_patch16_224', 17_674_283_520, null],
  ['deit_base_patch16_384', 55_538_974_464, 49.37],
  ['deit_base_distilled_patch16_384', 55_645_294_080, null],
];

test.each(PUBLISHED)('%s: multiply-adds equal the published counts', (name, fvcore, mmpretrain) => {
  const flops = countFlops(resolveConfig(name));
  expect(flops.fvcore).toBe(fvcore);
  if (mmpretrain !== null) expect((flops.mmpretrain / 1e9).toFixed(2)).toBe(String(mmpretrain));
});

test('DeiT III has the parameters of its README, in millions', () => {
  const millions = (name: string) => (countParameters(resolveConfig(name)) / 1e6).toFixed(1);
  expect(
    ['small_patch16_224', 'base_patch16_384', 'large_patch16_224', 'huge_patch14_224'].map((n) =>
      millions(`deit3_${n}`),
    ),
  ).toEqual(['22.1', '86.9', '304.4', '632.1']);
});
