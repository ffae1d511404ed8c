import { expect, test } from '@jest/globals';
import { gridMargins } from '../../src/explain/attentionGrid.js';
import {
  attentionGrid,
  attentionMap,
  heatColormap,
  mapToGrey,
  modelCrop,
  overlay,
} from '../../src/explain/index.js';
import { crop } from '../../src/image/crop.js';
import { preprocessingFor } from '../../src/image/index.js';

/** Lightness of an sRGB colour in OKLab, 0…1. */
function lightness(rgb: ArrayLike<number>): number {
  const linear = (channel: number) => {
    const v = rgb[channel]! / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  };
  const [r, g, b] = [linear(0), linear(1), linear(2)];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return 0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s;
}

test('the colour map grows evenly in lightness', () => {
  const found = Array.from({ length: 256 }, (_, i) => lightness(heatColormap.subarray(3 * i, 3 * i + 3)));
  for (const [i, value] of found.entries()) {
    expect(Math.abs(value - (found[0]! + ((found[255]! - found[0]!) * i) / 255))).toBeLessThan(0.01);
  }
  expect(found[0]).toBeLessThan(0.2);
  expect(found[255]).toBeGreaterThan(0.95);
});

test('the largest weight is brightest where its patch is, and the image shines through', () => {
  const grey = { data: new Uint8Array(3 * 16 * 8).fill(100), width: 16, height: 8 };
  const map = { data: Float32Array.of(0, 0, 1, 0), rows: 2, cols: 2 };
  const all = overlay(grey, map, { opacity: 1 });
  expect([all.width, all.height]).toEqual([16, 8]);
  const at = (x: number, y: number, { data } = all) => data.slice(3 * (y * 16 + x), 3 * (y * 16 + x) + 3);
  expect(at(0, 7)).toEqual(heatColormap.slice(-3));
  expect(at(15, 0)).toEqual(heatColormap.slice(0, 3));
  const half = overlay(grey, map, { opacity: 0.5 });
  expect(at(0, 7, half)).toEqual(heatColormap.slice(-3).map((level) => Math.round((100 + level) / 2)));
  expect(overlay(grey, map, { opacity: 0 }).data).toEqual(grey.data);
});

test('a few outlying patches do not leave the rest dark', () => {
  const values = Float32Array.from({ length: 100 }, (_, i) => (i === 40 ? 1000 : i));
  const { data } = mapToGrey({ data: values, rows: 10, cols: 10 });
  expect([data[3 * 40], data[3 * 98], data[3 * 49], data[0]]).toEqual([255, 255, 128, 0]);
});

test('a flat map is dark everywhere', () => {
  const image = { data: new Uint8Array(12), width: 2, height: 2 };
  const flat = overlay(image, { data: Float32Array.of(0.3), rows: 1, cols: 1 }, { opacity: 1 });
  expect(flat.data).toEqual(Uint8Array.from(Array.from({ length: 12 }, (_, i) => heatColormap[i % 3])));
});

test('a grid has a numbered row for each layer and a numbered column for each head', () => {
  const [heads, tokens] = [3, 5];
  const layer = (seed: number) =>
    Float32Array.from({ length: heads * tokens * tokens }, (_, i) => (i * seed) % 17);
  const stack = {
    layers: [layer(3), layer(5)],
    heads,
    tokens,
    prefixTokens: 1,
    grid: [2, 2] as [number, number],
  };
  const image = { data: Uint8Array.from({ length: 3 * 20 * 10 }, (_, i) => i % 256), width: 20, height: 10 };
  const grid = attentionGrid(image, stack, { tile: 20, opacity: 0.5 });
  const { left, top } = gridMargins(stack, 20);
  expect([grid.width, grid.height]).toEqual([left + 3 * 24 + 4, top + 2 * 14 + 4]);
  for (const [row, column] of [
    [0, 0],
    [1, 2],
  ] as const) {
    const one = overlay(image, attentionMap(stack, { layer: row, head: column }), { opacity: 0.5 });
    const found = crop(grid, {
      left: left + 4 + 24 * column,
      top: top + 4 + 14 * row,
      width: 20,
      height: 10,
    });
    expect(found.data).toEqual(one.data);
  }
  expect(grid.data.slice(0, 3)).toEqual(Uint8Array.of(40, 40, 40));
  // The numbers stand in the margins: the first row's 1 is not the second row's 2.
  const number = (row: number) =>
    crop(grid, { left: 0, top: top + 4 + 14 * row, width: left, height: 10 }).data;
  expect(number(0)).not.toEqual(number(1));
  expect(number(0).includes(235)).toBe(true);
});

test('the part of an image that the model sees', () => {
  const makeImage = (width: number, height: number) => ({
    data: Uint8Array.from({ length: 3 * width * height }, (_, i) => Math.floor(i / 3) % width),
    width,
    height,
  });
  const deit = preprocessingFor('deit', [224, 224]);
  const wide = modelCrop(makeImage(200, 100), deit);
  // 512×256 cropped to 224 in the middle is 87.5 pixels of the original, from column 56.25 and row 6.25 on.
  expect([wide.width, wide.height, wide.data[0]]).toEqual([88, 88, 56]);
  const squashed = modelCrop(makeImage(40, 80), preprocessingFor('mmpretrain', [384, 384]));
  expect([squashed.width, squashed.height]).toEqual([40, 80]);
});
