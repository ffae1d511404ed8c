import { describe, expect, test } from '@jest/globals';
import { allTables } from '../../converters/allTables.js';
import { choosePreprocessing as choose } from '../../converters/choosePreprocessing.js';
import type { Facts, Library } from '../../converters/facts.js';
import { namedModel } from '../../converters/namedFacts.js';
import { publishedLike } from '../../converters/publishedLike.js';
import type { VitConfig } from '../../src/families/vit/config.js';
import type { PreprocessingOptions } from '../../src/image/fromOptions.js';
import { preprocessingFor } from '../../src/image/index.js';

const tiny = namedModel('deit_tiny_patch16_224')!.config;
const none = { config: {} };
const choosePreprocessing = (
  config: VitConfig,
  facts: Facts,
  library: Library,
  options?: PreprocessingOptions,
) => choose(config, facts, library, options, allTables);

describe('choosePreprocessing', () => {
  test('a shape gives a candidate alone, and names models of other conventions', () => {
    const { value, assumptions } = choosePreprocessing(tiny, none, 'timm');
    expect(value).toEqual(preprocessingFor('deit', [224, 224]));
    expect(assumptions).toHaveLength(1);
    expect(assumptions[0]).toMatchObject({ field: 'preprocessing', value: 'preset deit' });
    expect(assumptions[0]!.why).toMatch(/timm's vit_tiny_patch16_224 has augreg.*--preset says otherwise/);
  });

  test.each([
    ['huggingface', {}, 'huggingface-vit'],
    ['huggingface', { distilled: true }, 'huggingface'],
    ['huggingface', { preNorm: true }, 'clip'],
    ['huggingface', { layerScale: 1 }, 'dinov2'],
    ['huggingface', { classToken: false, pool: 'mean', activation: 'gelu_tanh' }, 'siglip'],
    ['torchvision', {}, 'torchvision'],
    ['mae', {}, 'mae'],
    ['google', {}, 'augreg'],
    ['timm', { posEmbedPrefix: false }, 'deit3'],
    ['timm', { preNorm: true }, 'clip'],
    ['timm', { classToken: false, pool: 'map' }, 'siglip'],
    ['timm', { patchSize: 14, layerScale: 1e-5 }, 'dinov2'],
  ] as const)('%s with %j: %s', (library, fields, preset) => {
    const { value, assumptions } = choosePreprocessing({ ...tiny, ...fields }, none, library);
    expect(value.preset).toBe(preset);
    expect(assumptions).toHaveLength(1);
  });

  test("a name of timm's without a tag makes augreg likely", () => {
    const facts = { config: {}, name: { value: 'vit_tiny_patch16_224', source: 'arch' } };
    expect(choosePreprocessing(tiny, facts, 'facebook').value).toEqual(
      preprocessingFor('augreg', [224, 224]),
    );
  });

  test('a fact is taken as it is, at another size its ratio is kept and that is said', () => {
    const preprocessing = { value: preprocessingFor('augreg', [224, 224]), source: 'args' };
    const told = choosePreprocessing(tiny, { config: {}, preprocessing }, 'timm');
    expect(told).toEqual({ value: preprocessing.value, assumptions: [] });
    const larger = choosePreprocessing(
      { ...tiny, imgSize: [448, 448] },
      { config: {}, preprocessing },
      'timm',
    );
    expect(larger.value).toMatchObject({ resize: { mode: 'short', size: 496 }, crop: [448, 448] });
    expect(larger.assumptions[0]!.why).toContain('args gives images of 224×224 pixels');
  });

  test('mean and deviation alone leave resize and crop to be assumed', () => {
    const value = { mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6] } as const;
    const facts = { config: {}, normalization: { value, source: 'meta.cfg' } };
    const chosen = choosePreprocessing(tiny, facts, 'mmpretrain');
    expect(chosen.value).toMatchObject({ ...value, resize: { mode: 'short', size: 256 } });
    expect(chosen.assumptions).toMatchObject([{ value: 'resize and crop of preset deit' }]);
  });

  test('options have the last word', () => {
    const preprocessing = { value: preprocessingFor('deit', [224, 224]), source: 'args' };
    const facts = { config: {}, preprocessing };
    expect(choosePreprocessing(tiny, facts, 'timm', { preset: 'timm' })).toEqual({
      value: preprocessingFor('timm', [224, 224]),
      assumptions: [],
    });
    const changed = choosePreprocessing(tiny, none, 'timm', { mean: 0.5, std: 0.5 });
    expect(changed.value).toMatchObject({ preset: 'custom', mean: [0.5, 0.5, 0.5], resize: { size: 256 } });
    expect(changed.assumptions).toHaveLength(1);
    const all = { mean: 0.5, std: 0.5, crop: 1, interpolation: 'bilinear' };
    expect(choosePreprocessing(tiny, none, 'timm', all).assumptions).toEqual([]);
    expect(() => choosePreprocessing(tiny, none, 'timm', { preset: 'x' })).toThrow(/unknown preset 'x'/);
  });
});

describe('publishedLike', () => {
  test('lists models of a shape with their heads and presets', () => {
    const small = publishedLike({ embedDim: 384, depth: 12, patchSize: 16 });
    expect(small).toContainEqual({ name: 'deit_small_patch16_224', heads: 6, preset: 'deit' });
    expect(small).toContainEqual({ name: 'linear-vit-s-300ep', heads: 12, preset: 'deit' });
    expect(small).toContainEqual({ name: "timm's vit_small_patch16_224", heads: 6, preset: 'augreg' });
    expect(publishedLike({ embedDim: 5, depth: 12, patchSize: 16 })).toEqual([]);
  });
});
