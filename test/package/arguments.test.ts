/** Whatever a caller without types gives to a public function, one line says what it takes: no TypeError, no default. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../../src/errors.js';
import * as deit from '../../src/node/index.js';
import * as onWasm from '../../src/node/wasm.js';

beforeAll(async () => {
  await deit.useBackend('wasm');
});

const nanImage = () => tf.tensor4d(new Float32Array(16 * 16 * 3).fill(Number.NaN), [1, 16, 16, 3]);

const WRONG: Record<string, () => unknown> = {
  undefined: () => undefined,
  null: () => null,
  'a number': () => 5,
  NaN: () => Number.NaN,
  'an empty text': () => '',
  'an empty array': () => [],
  'an array of null': () => [null],
  'an array of text': () => ['x'],
  'an empty object': () => ({}),
  'an object of another kind': () => ({ nonsense: 1 }),
  'a function': () => () => {},
  'a symbol': () => Symbol('x'),
  'a bigint': () => -5n,
  'a Date': () => new Date(),
  'a Map': () => new Map([['topK', 1]]),
  'a tensor of another shape': () => tf.tensor2d([[1, 2]]),
  'a tensor of NaN': nanImage,
};

/** What takes nothing, and what each takes of the above. */
const NO_ARGUMENTS = ['backendNames', 'listBackends'];
const TAKES: Record<string, readonly string[]> = {
  createModel: ['an empty object'],
  resolveConfig: ['an empty object'],
  Metrics: ['a number'],
  addImageDecoder: ['a function'],
  useBackend: ['undefined'],
};

async function outcome(call: () => unknown): Promise<unknown> {
  try {
    const result = await call();
    if (typeof result === 'object' && result !== null && Symbol.asyncIterator in result)
      for await (const _ of result as AsyncIterable<unknown>) break;
    return 'an answer';
  } catch (error) {
    return error;
  }
}

async function expectUserError(what: string, call: () => unknown): Promise<void> {
  const found = await outcome(call);
  if (found instanceof UserError && !found.message.includes('\n') && found.message !== '') return;
  throw new Error(`${what}: ${found instanceof Error ? `${found.name}: ${found.message}` : String(found)}`);
}

const isClass = (value: object) => /^class /.test(Function.prototype.toString.call(value));

describe.each([
  ['deit-tfjs', deit as Record<string, unknown>],
  ['deit-tfjs/wasm', onWasm as Record<string, unknown>],
])('%s', (_, entry) => {
  const functions = Object.entries(entry).filter(
    ([name, value]) => typeof value === 'function' && name !== 'UserError' && !NO_ARGUMENTS.includes(name),
  ) as [string, (...args: unknown[]) => unknown][];

  test.each(functions)('%s', async (name, run) => {
    const call = (...args: unknown[]) =>
      isClass(run) ? new (run as unknown as new (...all: unknown[]) => object)(...args) : run(...args);
    for (const [kind, make] of Object.entries(WRONG)) {
      if (TAKES[name]?.includes(kind)) continue;
      await expectUserError(`${name}(${kind})`, () => call(make()));
    }
    if (isClass(run)) return;
    for (const [kind, make] of Object.entries(WRONG)) {
      if (name in TAKES && ['undefined', 'an empty object'].includes(kind)) continue;
      await expectUserError(`${name}({}, ${kind})`, () => call({}, make()));
    }
  });
});

const DIGITS = new URL('../../../examples/digits/deit_digits_distilled.pth', import.meta.url);

const METHODS = ['classify', 'logits', 'embed', 'predictPixels', 'embedPixels', 'headPixels'] as const;

test.each([
  ['deit-tfjs', [...METHODS, 'predict', 'predictHeads', 'features'], () => deit.load(readFileSync(DIGITS))],
  ['deit-tfjs/wasm', [...METHODS, 'inspectPixels'], () => onWasm.load(readFileSync(DIGITS))],
])('the methods of a model of %s', async (_, methods, open) => {
  const model = (await open()) as unknown as Record<string, (...args: unknown[]) => unknown>;
  const { imgSize } = (model as unknown as { config: { imgSize: [number, number] } }).config;
  const [height, width] = imgSize;
  const pixels = [new Float32Array(height * width * 3), 1];
  const image = [{ data: new Uint8Array(3), width: 1, height: 1 }];
  /** Of those that take options: what stands before them. */
  const options: Record<string, unknown[]> = {
    classify: image,
    logits: image,
    embed: image,
    predictPixels: pixels,
    embedPixels: pixels,
    features: [tf.zeros([1, height, width, 3])],
  };
  for (const name of methods) {
    for (const [kind, make] of Object.entries(WRONG)) {
      // No images have no answers.
      if (kind === 'an empty array' && ['classify', 'logits', 'embed'].includes(name)) continue;
      await expectUserError(`${name}(${kind})`, () => model[name]!(make()));
      if (!(name in options) || ['undefined', 'an empty object'].includes(kind)) continue;
      await expectUserError(`${name}(…, ${kind})`, () => model[name]!(...options[name]!, make()));
    }
  }
  model.dispose!();
});

test.each([
  ['createModel', () => deit.createModel({}, { seed: -1 })],
  ['createModel', () => deit.createModel({}, { seed: Number.NaN })],
  [
    'overlay',
    () =>
      deit.overlay(
        { data: new Uint8Array(3), width: 1, height: 1 },
        { data: new Float32Array(1), rows: 1, cols: 1 },
        { opacity: Number.NaN },
      ),
  ],
  ['an image of too few bytes', () => deit.mapToGrey({ data: new Float32Array(3), rows: 2, cols: 2 })],
  ['patchSimilarity', () => deit.patchSimilarity(new Float32Array(8), [2, 2], 4)],
  ['patchColors', () => deit.patchColors(new Float32Array(7), [2, 2])],
  [
    'preprocess',
    () =>
      deit.preprocess(
        { data: new Uint8Array(3), width: 1, height: 1 },
        { ...deit.preprocessingFor('deit', [8, 8]), mean: [Number.NaN, 0, 0] },
      ),
  ],
  ['countFlops', () => deit.countFlops({ ...deit.resolveConfig({}), embedDim: Number.NaN })],
])('%s: a value of no use', async (name, call) => {
  await expectUserError(name, call);
});
