import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Interpolation, RgbImage } from '../../src/image/types.js';

const { imul } = Math;

/** The test image of test/fixtures/make_preprocess.py: bytes of a linear congruential generator. */
export function testImage(width: number, height: number): RgbImage {
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

/** What timm or transformers makes of an image by a configuration, or why nothing. */
interface Configured {
  readonly config: Record<string, unknown>;
  readonly from: [number, number];
  readonly sha256: string;
  readonly error?: string;
}

interface Preprocessed {
  readonly resizes: readonly { from: [number, number]; to: [number, number]; sha256: string }[];
  readonly filtered: readonly {
    from: [number, number];
    to: [number, number];
    interpolation: Interpolation;
    sha256: string;
  }[];
  readonly timm: readonly Configured[];
  readonly huggingFace: readonly Configured[];
  readonly crops: readonly { from: [number, number]; crop: [number, number]; sha256: string }[];
  readonly presets: readonly {
    preset: string;
    imgSize: [number, number];
    from: [number, number];
    sha256: string;
  }[];
  readonly normalizedLevels: string;
}

/** What Pillow, PyTorch, timm and transformers make of the images. */
export const reference: Preprocessed = JSON.parse(readFileSync(fixture('preprocess.json'), 'utf8'));
