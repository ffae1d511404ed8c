import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RgbImage } from '../../src/image/types.js';

const { imul } = Math;

/** The test picture of test/fixtures/make_preprocess.py: bytes of a linear congruential generator. */
export function picture(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  let state = 12345;
  for (let i = 0; i < data.length; i++) {
    state = (imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = state >>> 24;
  }
  return { data, width, height };
}

export function sha256(values: Uint8Array | Float32Array): string {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return createHash('sha256').update(bytes).digest('hex');
}

/** A file of test/fixtures; the tests run from dist/test. */
export function fixture(name: string): URL {
  return new URL(`../../../test/fixtures/${name}`, import.meta.url);
}

interface Preprocessed {
  readonly resizes: readonly { from: [number, number]; to: [number, number]; sha256: string }[];
  readonly crops: readonly { from: [number, number]; crop: [number, number]; sha256: string }[];
  readonly presets: readonly {
    preset: string;
    imgSize: [number, number];
    from: [number, number];
    sha256: string;
  }[];
  readonly normalizedLevels: string;
}

/** What Pillow and PyTorch make of the pictures. */
export const reference: Preprocessed = JSON.parse(readFileSync(fixture('preprocess.json'), 'utf8'));
