import { expect, test } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { customPreprocessing, type PreprocessingSettings } from '../../src/image/custom.js';
import { huggingFacePreprocessing } from '../../src/image/huggingFace.js';
import { preprocessingFor } from '../../src/image/presets.js';
import { timmPreprocessing } from '../../src/image/timm.js';

const deit = preprocessingFor('deit', [224, 224]);

test('no setting, no change', () => {
  expect(customPreprocessing(deit, {})).toBe(deit);
  expect(customPreprocessing(deit, { mean: undefined } as PreprocessingSettings)).toBe(deit);
});

test('each setting changes its own part and the name', () => {
  const changed = (settings: PreprocessingSettings) => customPreprocessing(deit, settings);
  expect(changed({ mean: 0.5, std: [0.5] })).toEqual({
    ...deit,
    preset: 'custom',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  });
  expect(changed({ interpolation: 'bilinear' })).toEqual({
    ...deit,
    preset: 'custom',
    interpolation: 'bilinear',
  });
  expect(changed({ crop: 0.9 }).resize).toEqual({ mode: 'short', size: 248 });
  expect(changed({ cropMode: 'squash' }).resize).toEqual({ mode: 'squash', height: 256, width: 256 });
  expect(changed({ size: [384, 384] })).toEqual({
    ...preprocessingFor('deit', [384, 384]),
    preset: 'custom',
  });
  const border = changed({ cropMode: 'border', crop: 1, size: [64, 32], mean: 0.5 });
  expect(border).toMatchObject({
    resize: { mode: 'fit', height: 64, width: 32 },
    crop: [64, 32],
    fill: [128, 128, 128],
  });
});

test('bicubic is left out, as everywhere', () => {
  const vit = preprocessingFor('huggingface-vit', [224, 224]);
  expect(customPreprocessing(vit, { interpolation: 'bicubic' })).not.toHaveProperty('interpolation');
  expect(customPreprocessing(vit, { mean: 0 }).interpolation).toBe('bilinear');
  expect(customPreprocessing(vit, { size: [64, 64] }).interpolation).toBe('bilinear');
});

test('timm’s settings on any base give timm’s preprocessing', () => {
  const config = {
    input_size: [3, 160, 96],
    crop_pct: 0.9,
    crop_mode: 'border',
    interpolation: 'lanczos',
    mean: [0, 0.1, 0.2],
    std: [1, 1, 1],
  };
  const { mean, std, interpolation } = config;
  const settings = { size: [160, 96] as const, crop: 0.9, cropMode: 'border', interpolation, mean, std };
  expect(customPreprocessing(deit, settings)).toEqual({
    ...timmPreprocessing(config, 'x'),
    preset: 'custom',
  });
});

test.each<[PreprocessingSettings, RegExp]>([
  [{ std: 0 }, /^std is 0; expected three numbers above 0/],
  [{ std: [1, Number.NaN, 1] }, /^std is /],
  [{ std: 1e-60 }, /^std is 1e-60/],
  [{ mean: Number.POSITIVE_INFINITY }, /^mean is Infinity; expected three finite numbers/],
  [{ mean: 127.5 }, /^mean is \[127\.5,127\.5,127\.5\]; expected it on levels scaled to 0…1: divide/],
  [{ std: [58.395, 57.12, 57.375] }, /^std is \[58\.395,57\.12,57\.375\]; expected it on levels scaled/],
  [{ mean: [1, 2] }, /^mean is \[1,2\]/],
  [{ interpolation: 'cubic' }, /^interpolation is "cubic"; expected one of nearest/],
  [{ crop: 0 }, /^crop is 0; expected a ratio/],
  [{ crop: 87.5 }, /^crop is 87.5/],
  [{ cropMode: 'centre' }, /^cropMode is "centre"/],
  [{ size: [224.5, 224] }, /^size is 224.5/],
  [{ men: 0.5 } as PreprocessingSettings, /^"men" is no setting of preprocessing; expected mean, std/],
])('%j is refused', (settings, message) => {
  expect(() => customPreprocessing(deit, settings)).toThrow(UserError);
  expect(() => customPreprocessing(deit, settings)).toThrow(message);
});

test('another size without a ratio is refused where the base has none', () => {
  const read = huggingFacePreprocessing({ image_processor_type: 'CLIPImageProcessor' }, 'x');
  expect(() => customPreprocessing(read, { size: [64, 64] })).toThrow(
    /preset preprocessor_config.json does not say/,
  );
  const changed = customPreprocessing(read, { mean: 0.5 });
  expect(() => customPreprocessing(changed, { size: [64, 64] })).toThrow(
    /^size: the preset custom does not say/,
  );
  expect(customPreprocessing(changed, { size: [64, 64], crop: 1 }).resize).toEqual({
    mode: 'short',
    size: 64,
  });
});
