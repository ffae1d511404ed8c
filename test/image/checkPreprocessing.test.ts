import { expect, test } from '@jest/globals';
import { UserError } from '../../src/errors.js';
import { checkPreprocessing } from '../../src/image/checkPreprocessing.js';
import { preprocessingFor, presetNames } from '../../src/image/presets.js';

const deit = preprocessingFor('deit', [224, 224]);
const check = (value: unknown) => checkPreprocessing(value, 'model.json');

test('what presets give passes unchanged, also in the order of its fields', () => {
  for (const preset of presetNames) {
    const preprocessing = preprocessingFor(preset, [224, 320]);
    expect(JSON.stringify(check(JSON.parse(JSON.stringify(preprocessing))))).toBe(
      JSON.stringify(preprocessing),
    );
  }
});

test('the JSON of the models of before is as it was', () => {
  expect(JSON.stringify(deit)).toBe(
    '{"preset":"deit","resize":{"mode":"short","size":256},"crop":[224,224],"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}',
  );
});

test.each([
  [undefined, /^model.json: preprocessing is undefined; expected an object/],
  [{ ...deit, std: [0, 0, 0] }, /^model.json: preprocessing.std is \[0,0,0\]/],
  [{ ...deit, std: [0.2, null, 0.2] }, /preprocessing.std is/],
  [{ ...deit, mean: [0.4, 0.4, '0.4'] }, /preprocessing.mean is/],
  [{ ...deit, crop: [224] }, /preprocessing.crop is \[224\]; expected \[height, width\]/],
  [{ ...deit, crop: [224, 1e9] }, /preprocessing.crop is 1000000000/],
  [
    { ...deit, resize: { mode: 'longest', size: 224 } },
    /preprocessing.resize is .*expected a mode among short, squash/,
  ],
  [{ ...deit, resize: { mode: 'short' } }, /preprocessing.resize.size is undefined/],
  [{ ...deit, resize: { mode: 'squash', height: 0, width: 4 } }, /preprocessing.resize.height is 0/],
  [{ ...deit, interpolation: 'cubic' }, /preprocessing.interpolation is "cubic"/],
  [{ ...deit, cropRounding: 'up' }, /preprocessing.cropRounding is "up"/],
  [{ ...deit, fill: [0, 0, 300] }, /preprocessing.fill is/],
  [{ ...deit, rescaleFactor: 0 }, /preprocessing.rescaleFactor is 0/],
  [
    { ...deit, mean: [123.675, 116.28, 103.53] },
    /preprocessing.mean is .*; expected it on levels scaled to 0…1: divide those of 0…255 by 255$/,
  ],
  [{ ...deit, std: [58.395, 57.12, 57.375] }, /preprocessing.std is .*; expected it on levels scaled to 0…1/],
  [{ ...deit, preset: 4 }, /preprocessing.preset is 4/],
  [{ ...deit, turn: 90 }, /preprocessing."turn" is not known to this version/],
])('%j is refused', (value, message) => {
  expect(() => check(value)).toThrow(UserError);
  expect(() => check(value)).toThrow(message);
});

test('means on other levels pass where a factor scales levels to them', () => {
  const own = { ...deit, rescaleFactor: 1, mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375] };
  expect(check(own)).toEqual(own);
});
