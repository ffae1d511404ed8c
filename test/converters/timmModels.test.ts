import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { timmHubModels } from '../../configs/models/vit.js';
import { namedModel } from '../../converters/namedFacts.js';
import {
  refusedByName,
  timmArchitecture,
  timmModels,
  timmPreprocessingOf,
  timmPretrained,
} from '../../converters/timmModels.js';
import { countParameters } from '../../src/families/vit/flops.js';
import { preprocessingFor } from '../../src/image/index.js';

/** Written by configs/models/make_timm.py: what timm itself counts. */
const counts = JSON.parse(readFileSync('test/fixtures/timm_parameters.json', 'utf8')) as Record<
  string,
  number
>;

describe('architectures', () => {
  test('each has as many parameters as timm counts', async () => {
    expect([...timmModels().keys()].sort()).toEqual(Object.keys(counts).sort());
    for (const [name, count] of Object.entries(counts)) {
      const { numClasses } = (await timmPretrained(name))!;
      const { config } = namedModel(`timm/${name}`) ?? namedModel(name)!;
      const fields = { ...config, ...timmArchitecture(name), numClasses };
      expect([name, countParameters(fields)]).toEqual([name, count]);
    }
  });

  test('what is none of this family is refused by its own name', () => {
    expect(refusedByName('swin_base_patch4_window7_224.ms_in22k')).toContain('swin_transformer.py');
    expect(refusedByName('beit_base_patch16_224')).toContain('beit.py');
    expect(refusedByName('vit_base_patch16_rope_224.naver_in1k')).toContain('eva.py');
    expect(refusedByName('vit_base_patch16_rpn_224.sw_in1k')).toBe('has ResPostBlock blocks');
    expect(refusedByName('test_vit4.r160_in1k')).toBe('has RmsNorm norms');
    expect(refusedByName('vit_base_patch16_224.augreg_in1k')).toBeUndefined();
    expect(refusedByName('my_own_model')).toBeUndefined();
  });
});

test('names of before timm 0.8 mean what they meant', async () => {
  expect(timmArchitecture('deit3_base_patch16_384_in21ft1k')).toEqual(
    timmArchitecture('deit3_base_patch16_384'),
  );
  expect(await timmPreprocessingOf('vit_base_patch16_224_dino')).toEqual(
    await timmPreprocessingOf('vit_base_patch16_224.dino'),
  );
  expect(namedModel('deit3_base_patch16_384_in21ft1k')).toMatchObject({
    name: 'deit3_base_patch16_384.fb_in22k_ft_in1k',
    imagenet: true,
  });
});

describe('pretrained tags', () => {
  test.each<[string, object]>([
    [
      'vit_tiny_patch16_224.augreg_in21k_ft_in1k',
      { resize: { mode: 'short', size: 248 }, crop: [224, 224], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    ],
    [
      'vit_base_patch16_224_miil.in21k_ft_in1k',
      { resize: { mode: 'short', size: 256 }, interpolation: 'bilinear', mean: [0, 0, 0], std: [1, 1, 1] },
    ],
    [
      'vit_large_patch14_clip_336.openai_ft_in12k_in1k',
      { resize: { mode: 'squash', height: 336, width: 336 }, mean: [0.48145466, 0.4578275, 0.40821073] },
    ],
    ['vit_small_patch14_dinov2.lvd142m', { resize: { mode: 'short', size: 518 }, crop: [518, 518] }],
  ])('%s', async (name, preprocessing) => {
    expect(await timmPreprocessingOf(name)).toMatchObject({ preset: name, ...preprocessing });
  });

  test('a name without a tag means the first one, a name with an unknown tag nothing', async () => {
    expect((await timmPretrained('vit_base_patch16_224'))?.name).toBe(
      'vit_base_patch16_224.augreg2_in21k_ft_in1k',
    );
    expect(await timmPretrained('vit_base_patch16_224.mine')).toBeUndefined();
  });

  test('presets of the listed models are what their tags say', async () => {
    for (const [name, preset] of timmHubModels) {
      const own = (await timmPreprocessingOf(name))!;
      if (preset === null) continue;
      expect([name, { ...preprocessingFor(preset, own.crop), preset: name }]).toEqual([name, own]);
    }
  });
});
