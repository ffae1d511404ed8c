import { readdirSync, readFileSync } from 'node:fs';

/** Seen from dist/test/converters/formats. */
const FOLDER = new URL('../../../../test/fixtures/checkpoints/', import.meta.url);

export interface ExpectedTensor {
  dtype: string;
  shape: number[];
  values: (number | string)[];
}

export interface Expected {
  tensors: Record<string, ExpectedTensor>;
  metadata: Record<string, string | number | boolean | null>;
}

export function fixturePath(file: string): string {
  return new URL(file, FOLDER).pathname;
}

export function fixtureBytes(file: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(file, FOLDER)));
}

/** Names of all checkpoints, in order. */
export function fixtureNames(): string[] {
  return readdirSync(FOLDER)
    .filter((file) => /\.(pth|safetensors)$/.test(file))
    .sort();
}

/** What PyTorch read from them. */
export function expectedContents(): Record<string, Expected> {
  return JSON.parse(readFileSync(new URL('expected.json', FOLDER), 'utf8'));
}

export function halfPatterns(): { float32: number[]; float16: number[]; bfloat16: number[] } {
  return JSON.parse(readFileSync(new URL('halfFloat.json', FOLDER), 'utf8'));
}

/** Checkpoints with what is rare in them, the small ones; see make_odd_checkpoints.py. */
export function oddFixtures(): { name: string; bytes: Uint8Array }[] {
  const folder = new URL('../../../../test/fixtures/odd/', import.meta.url);
  return readdirSync(folder)
    .filter((name) => /\.(pth|npz|npy|safetensors)$/.test(name))
    .sort()
    .map((name) => ({ name, bytes: new Uint8Array(readFileSync(new URL(name, folder))) }))
    .filter(({ bytes }) => bytes.length < 6000);
}
