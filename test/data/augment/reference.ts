import { readFileSync } from 'node:fs';
import type { AugmentConfig, MixConfig } from '../../../src/data/config.js';
import type { RgbImage } from '../../../src/image/types.js';
import { fixture } from '../../image/images.js';

/** Kind, width and height of an image that the tests and the script make alike. */
export type ImageSpec = readonly ['noise' | 'dim' | 'ramp' | 'flat', number, number];

type Crop = NonNullable<AugmentConfig['randomResizedCrop']>;
type Affine = NonNullable<AugmentConfig['affine']>;

interface Case {
  readonly seed: number;
  readonly image: ImageSpec;
  readonly sha256: string;
}

/** What Pillow, torchvision and timm made: test/fixtures/make_augment.py. */
export const reference: {
  readonly operations: readonly {
    operation: string;
    arguments: readonly unknown[];
    image: ImageSpec;
    sha256: string;
  }[];
  readonly randAugments: readonly (Case & { config: string })[];
  readonly crops: readonly (Case & Crop & { size: [number, number] })[];
  readonly jitters: readonly (Case & { strength: number })[];
  readonly affines: readonly (Case & Affine)[];
  readonly erasings: readonly { seed: number; prob: number; size: [number, number]; pixels: string }[];
  readonly mixes: readonly {
    options: MixConfig & { numClasses: number; smoothing: number };
    seed: number;
    size: [number, number];
    labels: number[];
    pixels: string;
    targets: string;
  }[];
  readonly recipes: readonly {
    randAugment: string | null;
    seed: number;
    epoch: number;
    place: number;
    image: ImageSpec;
    pixels: string;
  }[];
  readonly orders: readonly {
    length: number;
    repeats: number;
    seed: number;
    epoch: number;
    order: number[];
  }[];
} = JSON.parse(readFileSync(fixture('augment.json'), 'utf8'));

const { imul } = Math;

/** The script's image of that name. */
export function makeImage([kind, width, height]: ImageSpec): RgbImage {
  const data = new Uint8Array(width * height * 3);
  let state = 12345;
  for (let i = 0; i < data.length; i++) {
    state = (imul(state, 1664525) + 1013904223) >>> 0;
    const noise = state >>> 24;
    const x = Math.floor(i / 3) % width;
    const y = Math.floor(i / 3 / width);
    const c = i % 3;
    data[i] = {
      noise,
      dim: Math.floor(noise / 3) + 50,
      ramp: (5 * x + 3 * y + 40 * c) % 256,
      flat: 60 + c,
    }[kind];
  }
  return { data, width, height };
}

/** Float32 values that the script stored. */
export function floats(base64: string): Float32Array {
  return new Float32Array(new Uint8Array(Buffer.from(base64, 'base64')).buffer);
}

/** The largest difference between two arrays of one length. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}
