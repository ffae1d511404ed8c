import { expect, test } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { preprocessingFor, presetNames } from '../../src/image/presets.js';

const scaled = (preset: string, imgSize: [number, number]) => preprocessingFor(preset, imgSize).resize;

test.each([
  ['deit', { mode: 'short', size: 256 }, { mode: 'short', size: 438 }],
  ['timm', { mode: 'short', size: 248 }, { mode: 'short', size: 384 }],
  ['mmpretrain', { mode: 'short', size: 256 }, { mode: 'squash', height: 384, width: 384 }],
  ['deit3', { mode: 'short', size: 224 }, { mode: 'short', size: 384 }],
  ['augreg', { mode: 'short', size: 248 }, { mode: 'short', size: 384 }],
  [
    'huggingface-vit',
    { mode: 'squash', height: 224, width: 224 },
    { mode: 'squash', height: 384, width: 384 },
  ],
  ['torchvision', { mode: 'short', size: 256 }, { mode: 'short', size: 438 }],
  ['torchvision-l16', { mode: 'short', size: 242 }, { mode: 'short', size: 415 }],
  ['torchvision-swag', { mode: 'short', size: 224 }, { mode: 'short', size: 384 }],
  ['dinov2', { mode: 'short', size: 256 }, { mode: 'short', size: 438 }],
  ['clip', { mode: 'short', size: 224 }, { mode: 'short', size: 384 }],
  ['siglip', { mode: 'squash', height: 224, width: 224 }, { mode: 'squash', height: 384, width: 384 }],
  ['mae', { mode: 'short', size: 256 }, { mode: 'short', size: 384 }],
  ['huggingface', { mode: 'squash', height: 256, width: 256 }, { mode: 'squash', height: 438, width: 438 }],
])('%s has its published sizes at 224 and 384 pixels', (preset, at224, at384) => {
  expect(scaled(preset, [224, 224])).toEqual(at224);
  expect(scaled(preset, [384, 384])).toEqual(at384);
});

test('other sizes follow the ratio, and the longer side counts where the input is not square', () => {
  expect(scaled('deit', [448, 448])).toEqual({ mode: 'short', size: 512 });
  expect(scaled('timm', [160, 160])).toEqual({ mode: 'short', size: 177 });
  expect(scaled('timm', [192, 384])).toEqual({ mode: 'cover', height: 192, width: 384 });
  expect(scaled('deit', [32, 48])).toEqual({ mode: 'short', size: 54 });
  expect(scaled('huggingface', [32, 48])).toEqual({ mode: 'squash', height: 36, width: 54 });
  expect(preprocessingFor('deit', [32, 48]).crop).toEqual([32, 48]);
});

test('DINOv2 at 518 pixels is not cropped, and the ViTs of Google and torchvision are bilinear', () => {
  expect(scaled('dinov2', [518, 518])).toEqual({ mode: 'short', size: 518 });
  const bilinear = presetNames.filter(
    (name) => preprocessingFor(name, [224, 224]).interpolation === 'bilinear',
  );
  expect(bilinear).toEqual(['huggingface-vit', 'torchvision', 'torchvision-l16']);
});

test('an unknown preset is an error that names the presets', () => {
  expect(presetNames.slice(0, 5)).toEqual(['deit', 'timm', 'mmpretrain', 'deit3', 'huggingface']);
  for (const name of ['diet', '__proto__', 'constructor', '']) {
    expect(() => preprocessingFor(name, [224, 224])).toThrow(UserError);
    expect(() => preprocessingFor(name, [224, 224])).toThrow(/deit, timm, mmpretrain, deit3, huggingface/);
  }
});

test.each([
  [224, 'the number 224'],
  [[224], '[224]'],
  [[224, 224.5], '[224, 224.5]'],
  [[0, 224], '[0, 224]'],
])('a size of %j is an error', (size, got) => {
  expect(() => preprocessingFor('timm', size as never)).toThrow(UserError);
  expect(() => preprocessingFor('timm', size as never)).toThrow(
    `preprocessingFor: imgSize should be [height, width] in pixels, got ${got}`,
  );
});
