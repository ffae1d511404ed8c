/** The types that the build makes of the assembly's exports. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import engine from '../../../src/engines/wasm/generated/simd.js';
import training from '../../../src/engines/wasm/training/generated/simd.js';
import resampler from '../../../src/image/wasm/generated/resample.js';
import kernels from '../../../src/kernels/wasm/generated/simd.js';

interface Signature {
  readonly name: string;
  readonly parameters: readonly { readonly name: string; readonly type: string }[];
}
type Sources = Readonly<Record<string, string>>;
const script = '../../../../src/kernels/wasm/exportTypes.mjs';
const { exportsOf, exportTypes } = (await import(script)) as {
  exportsOf: (index: string, sources: Sources) => Signature[];
  exportTypes: (index: string, sources: Sources) => string;
};

const SOURCES = {
  'a/assembly/index.ts': `export { run } from './run';
export { shared } from '../../b/assembly/shared';
/** Rows of a tile. */
export function rows(): i32 {
  return 4;
}
`,
  'a/assembly/run.ts': `/**
 * @param x [n]
 */
export function run(
  x: usize, n: i32, epsilon: f32, packed: bool,
  queue: usize, thread: i32,
): void {
}
`,
  'b/assembly/shared.ts': 'export function shared(t: i32, threads: i32): usize {\n}\n',
};

test('an interface of what index.ts exports, with its comments', () => {
  expect(exportTypes('a/assembly/index.ts', SOURCES)).toContain(`export interface Exports {
  /**
   * @param x [n]
   */
  run(x: Address, n: number, epsilon: number, packed: boolean, queue?: Address, thread?: number): void;
  shared(t: number, threads?: number): number;
  /** Rows of a tile. */
  rows(): number;
}`);
});

test.each([
  [
    'a function that is not there',
    { ...SOURCES, 'a/assembly/run.ts': '' },
    'a/assembly/run.ts has no function run',
  ],
  [
    'a parameter that JavaScript has no value for',
    { ...SOURCES, 'a/assembly/run.ts': 'export function run(x: v128): void {' },
    'run: no JavaScript type for "x: v128"',
  ],
  [
    'a result that JavaScript cannot hold',
    { ...SOURCES, 'a/assembly/run.ts': 'export function run(): Step {' },
    'run: no JavaScript type for Step',
  ],
])('the build fails for %s', (_, sources, message) => {
  expect(() => exportTypes('a/assembly/index.ts', sources)).toThrow(message);
});

function sourcesOf(...folders: string[]): Sources {
  const files = folders.flatMap((folder) =>
    readdirSync(`${folder}/assembly`).map((name) => join(folder, 'assembly', name)),
  );
  return Object.fromEntries(files.map((file) => [file, readFileSync(file, 'utf8')]));
}

describe.each([
  ['src/kernels/wasm', kernels, false],
  ['src/image/wasm', resampler, false],
  ['src/engines/wasm', engine, true],
  ['src/engines/wasm/training', training, true],
])('%s', (folder, base64, shared) => {
  const declared = exportsOf(
    `${folder}/assembly/index.ts`,
    sourcesOf(folder, 'src/engines/wasm', 'src/kernels/wasm'),
  );

  test('the binary exports the functions that the types have, with as many parameters', () => {
    const memory = new WebAssembly.Memory({ initial: 1, ...(shared ? { maximum: 65536, shared } : {}) });
    const module = new WebAssembly.Module(Buffer.from(base64, 'base64'));
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    const functions = Object.entries(exports).filter(([, value]) => typeof value === 'function');
    expect(
      Object.fromEntries(functions.map(([name, value]) => [name, (value as () => void).length])),
    ).toEqual(Object.fromEntries(declared.map(({ name, parameters }) => [name, parameters.length])));
  });
});
