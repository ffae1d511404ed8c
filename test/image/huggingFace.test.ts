import { expect, test } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { checkPreprocessing } from '../../src/image/checkPreprocessing.js';
import { huggingFacePreprocessing, resampleCodes } from '../../src/image/huggingFace.js';
import { preprocess } from '../../src/image/preprocess.js';
import { reference, sha256, testImage } from './images.js';

const read = (config: Record<string, unknown>) =>
  huggingFacePreprocessing(config, 'preprocessor_config.json');

test.each(
  reference.huggingFace.filter(({ error }) => !error),
)('$config of $from has the bits of transformers', ({ config, from, sha256: bytes }) => {
  expect(sha256(preprocess(testImage(...from), read(config)))).toBe(bytes);
});

test.each(
  reference.huggingFace.filter(({ error, from }) => error && from[0] === 1),
)('$config, which transformers refuses, is refused', ({ config }) => {
  expect(() => read(config)).toThrow(UserError);
});

test('all of Pillow’s codes and all processors are among the references', () => {
  const configs = reference.huggingFace.map(({ config }) => config);
  expect(new Set(configs.map(({ resample }) => resample).filter((code) => code !== undefined)).size).toBe(6);
  expect(resampleCodes).toEqual(['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming']);
  const types = configs.map((config) => String(config.image_processor_type ?? config.feature_extractor_type));
  for (const family of ['ViT', 'DeiT', 'Bit', 'CLIP', 'Siglip']) {
    expect(types.some((type) => type.startsWith(family))).toBe(true);
  }
});

test('what has its default is left out, and what is given passes the check of stored data', () => {
  const vit = read({ image_processor_type: 'ViTImageProcessor', rescale_factor: 1 / 255 });
  expect(vit).toEqual({
    preset: 'preprocessor_config.json',
    resize: { mode: 'squash', height: 224, width: 224 },
    interpolation: 'bilinear',
    crop: [224, 224],
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  });
  for (const { config, error } of reference.huggingFace) {
    if (!error)
      expect(checkPreprocessing(JSON.parse(JSON.stringify(read(config))), 'x')).toEqual(read(config));
  }
});

test.each([
  [
    { image_processor_type: 'ConvNextImageProcessor', crop_pct: 0.9 },
    /image_processor_type is "ConvNextImageProcessor"; expected one of ViT/,
  ],
  [{}, /image_processor_type is undefined/],
  [{ image_processor_type: '__proto__ImageProcessor' }, /expected one of ViT/],
  [
    { image_processor_type: 'ViTImageProcessor', resample: 7 },
    /resample is 7; expected one of Pillow’s codes|resample is 7; expected one of Pillow's/,
  ],
  [{ image_processor_type: 'ViTImageProcessor', image_std: [0, 0, 0] }, /image_std is \[0,0,0\]/],
  [
    { image_processor_type: 'ViTImageProcessor', size: { max_height: 9, max_width: 9 } },
    /size is .*expected height and width, or shortest_edge/,
  ],
  [
    { image_processor_type: 'ViTImageProcessor', size: { shortest_edge: 224 } },
    /without do_center_crop, images of other shapes/,
  ],
  [{ image_processor_type: 'ViTImageProcessor', do_resize: false }, /without do_center_crop/],
  [{ image_processor_type: 'ViTImageProcessor', size: -1 }, /size is -1; expected 1 to/],
  [{ image_processor_type: 'ViTImageProcessor', do_pad: true }, /do_pad is not supported/],
  [{ image_processor_type: 'CLIPImageProcessor', rescale_factor: 0 }, /rescale_factor is 0/],
  [{ image_processor_type: 'CLIPImageProcessor', do_rescale: 'no' }, /do_rescale is "no"/],
])('%j is refused', (config, message) => {
  expect(() => read(config)).toThrow(UserError);
  expect(() => read(config)).toThrow(message);
});
