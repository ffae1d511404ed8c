import { expect, test } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { preprocess } from '../../src/image/preprocess.js';
import { timmConfig, timmPreprocessing } from '../../src/image/timm.js';
import { reference, sha256, testImage } from './images.js';

test.each(reference.timm)('$config of $from has the bits of timm’s own transform', ({
  config,
  from,
  sha256: bytes,
}) => {
  const preprocessing = timmPreprocessing(config, 'config.json');
  expect(preprocessing.crop).toEqual((config.input_size as number[]).slice(1));
  expect(sha256(preprocess(testImage(...from), preprocessing))).toBe(bytes);
});

test('all crop modes are among the references, for inputs that are square and that are not', () => {
  const kinds = reference.timm.map(({ config }) => {
    const [, height, width] = config.input_size as number[];
    return `${config.crop_mode ?? 'center'} ${height === width}`;
  });
  expect(new Set(kinds).size).toBe(6);
});

test('the input size of the model goes before the configuration’s', () => {
  const config = { input_size: [3, 224, 224], crop_pct: 0.9 };
  expect(timmPreprocessing(config, 'x', [64, 64])).toMatchObject({
    resize: { mode: 'short', size: 71 },
    crop: [64, 64],
  });
});

test('pretrained_cfg is found in a config.json, and older files are it themselves', () => {
  expect(timmConfig({ pretrained_cfg: { crop_pct: 1 } })).toEqual({ crop_pct: 1 });
  expect(timmConfig({ crop_pct: 0.9 })).toEqual({ crop_pct: 0.9 });
});

test.each([
  [{ crop_mode: 'random' }, /^x: crop_mode is "random"; expected one of center, squash, border$/],
  [{ crop_pct: 1.2 }, /^x: crop_pct is 1.2; expected a ratio/],
  [{ crop_pct: '0.9' }, /^x: crop_pct is "0.9"/],
  [{ interpolation: 'random' }, /^x: interpolation is "random"; expected one of nearest, box/],
  [{ std: [0.2, 0, 0.2] }, /^x: std is .*above 0/],
  [{ mean: [0.5, 0.5] }, /^x: mean is .*three finite numbers/],
  [{ input_size: [1, 28, 28] }, /^x: input_size is .*\[3, height, width\]/],
  [{ input_size: [3, 224, 1e9] }, /^x: input_size is 1000000000/],
  [{ crop_border_pixels: 4 }, /crop_border_pixels is not supported/],
])('%j is refused', (config, message) => {
  expect(() => timmPreprocessing(config, 'x')).toThrow(UserError);
  expect(() => timmPreprocessing(config, 'x')).toThrow(message);
});
