import { expect, test } from '@jest/globals';
import { chooseDevice, isSameName } from '../../src/node/chooseDevice.js';

const NAMES = [
  'Intel(R) UHD Graphics 770',
  'NVIDIA GeForce RTX 4090',
  'NVIDIA GeForce RTX 4090',
  'Radeon 780M',
];

test.each([
  ['0', 0],
  ['2', 2],
  [' 2 ', 2],
  ['4090', 1],
  ['770', 0],
  ['nvidia geforce', 1],
  ['rtx-4090', 1],
  ['uhd graphics', 0],
  ['radeon', 3],
])('%s is device %i', (asked, index) => {
  expect(chooseDevice(asked, NAMES, 'webgpu')).toBe(index);
});

test.each([
  '4',
  'arc',
  '',
  ' ',
  '-',
  'rtx 4091',
  '-1',
  '+1',
  '0.7',
  '-4090',
  '409',
  '4,090',
])('"%s" is none of them', (asked) => {
  expect(() => chooseDevice(asked, NAMES, 'webgpu')).toThrow(
    `webgpu finds no device "${asked}"; there are: 0 Intel(R) UHD Graphics 770, 1 NVIDIA GeForce RTX 4090`,
  );
});

test('no devices, no list', () => {
  expect(() => chooseDevice('a', [], 'xla')).toThrow(/^xla finds no device "a"$/);
});

test('a name as Dawn writes it and as the driver does', () => {
  expect(isSameName('SwiftShader Device (Subzero)', 'swiftshader-device-subzero-')).toBe(true);
  expect(isSameName('RTX 4090', 'rtx-4080')).toBe(false);
});
