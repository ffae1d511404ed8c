import type { Interpolation } from './types.js';

/** A kernel of Pillow's src/libImaging/Resample.c. */
export interface Filter {
  /** Half the width of the kernel, in input pixels when enlarging. */
  readonly support: number;
  /** The weight at a distance from the centre. */
  readonly weight: (distance: number) => number;
}

/** Keys' cubic convolution kernel with a = -0.5. */
function bicubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function sinc(distance: number): number {
  if (distance === 0) return 1;
  const x = distance * Math.PI;
  return Math.sin(x) / x;
}

// Single precision, as Pillow writes these two.
const HAMMING_MEAN = Math.fround(0.54);
const HAMMING_WAVE = Math.fround(0.46);

/** `nearest` is no kernel: resize.ts takes the pixel by its index. */
export const filters: Readonly<Record<Exclude<Interpolation, 'nearest'>, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (x) =>
      Math.abs(x) >= 1
        ? 0
        : sinc(Math.abs(x)) * (HAMMING_MEAN + HAMMING_WAVE * Math.cos(Math.abs(x) * Math.PI)),
  },
  bicubic: { support: 2, weight: bicubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** All names, `nearest` among them. */
export const interpolations: readonly Interpolation[] = [
  'nearest',
  ...(Object.keys(filters) as Interpolation[]),
];
