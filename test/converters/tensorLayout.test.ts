import { expect, test } from '@jest/globals';
import { torchShape, toTfjsLayout, toTorchLayout, transpose } from '../../converters/tensorLayout.js';

const counting = (length: number) => Float32Array.from({ length }, (_, i) => i);

/** Sides below, at and above that of the tiles. */
test.each([
  [2, 3],
  [32, 33],
  [70, 65],
  [1, 40],
])('a matrix of %d × %d', (rows, columns) => {
  const values = counting(rows * columns);
  const turned = transpose(values, rows, columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      expect(turned[column * rows + row]).toBe(row * columns + column);
    }
  }
  expect(toTfjsLayout(values, [rows, columns])).toEqual(turned);
  expect(toTorchLayout(turned, [rows, columns])).toEqual(values);
  expect(torchShape([columns, rows])).toEqual([rows, columns]);
});

test('a convolution [D, C, p, q] becomes [p, q, C, D], and comes back', () => {
  const [dim, channels, p, q] = [5, 3, 2, 4];
  const values = counting(dim * channels * p * q);
  const turned = toTfjsLayout(values, [dim, channels, p, q]);
  for (let d = 0; d < dim; d++) {
    for (let c = 0; c < channels; c++) {
      for (let y = 0; y < p; y++) {
        for (let x = 0; x < q; x++) {
          const there = ((y * q + x) * channels + c) * dim + d;
          expect(turned[there]).toBe(((d * channels + c) * p + y) * q + x);
        }
      }
    }
  }
  expect(toTorchLayout(turned, [dim, channels, p, q])).toEqual(values);
  expect(torchShape([p, q, channels, dim])).toEqual([dim, channels, p, q]);
});
