/** Heads for classes of one's own: trained as PyTorch trains them, folded into weights, exported and loaded again. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  createModel,
  decodeImage,
  exportStateDict,
  headAnswers,
  headFeatures,
  load,
  type ModelOverrides,
  parseCheckpoint,
  preprocess,
  tf,
  trainHead,
  useBackend,
  type VisionTransformer,
} from '../../src/node/index.js';

const CHECKPOINT = 'examples/digits/deit_digits_distilled.pth';
const TINY = { imgSize: 16, patchSize: 8, embedDim: 8, depth: 1, numHeads: 2, numClasses: 3 };

interface Fixture {
  labels: number[];
  features: number[][];
  learningRate: number;
  weightDecay: number;
  losses: number[];
  logits: number[][];
}

let fixture: Fixture;
let digits: VisionTransformer;

beforeAll(async () => {
  fixture = JSON.parse(await readFile('test/fixtures/train/head.json', 'utf8'));
  await useBackend('wasm');
  digits = await load(CHECKPOINT, { backend: 'wasm' });
});
afterAll(() => digits.dispose());

function tiny(overrides: ModelOverrides = {}): VisionTransformer {
  return createModel({ ...TINY, imgSize: [16, 16] }, { seed: 3, ...overrides });
}

function noise(length: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(1 + 7 * i));
}

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return new Uint8Array(Buffer.concat(parts));
}

/** Weights of the model's own heads. */
async function ownHeads(model: VisionTransformer): Promise<Map<string, Float32Array>> {
  const heads = new Map<string, Float32Array>();
  for (const weight of model.layersModel.weights) {
    const name = weight.originalName.replace(/^.*\//, '');
    if (name.startsWith('head')) heads.set(name, Float32Array.from(await weight.read().data<'float32'>()));
  }
  return heads;
}

function farthest(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
}

test('losses and logits are PyTorch’s', async () => {
  const model = createModel({ ...TINY, imgSize: [16, 16], embedDim: 5, numHeads: 1, distilled: true });
  const features = fixture.features.map((row) => Float32Array.from(row));
  const losses: number[] = [];
  const heads = await trainHead(
    model,
    { features, labels: fixture.labels, numClasses: 3 },
    {
      steps: fixture.losses.length,
      learningRate: fixture.learningRate,
      weightDecay: fixture.weightDecay,
      onStep: (done, loss) => expect(losses.push(loss)).toBe(done),
    },
  );
  expect(farthest(losses, fixture.losses)).toBeLessThan(1e-5);
  const logits = headAnswers(heads, features);
  expect(Math.max(...logits.map((row, i) => farthest(row, fixture.logits[i]!)))).toBeLessThan(1e-4);
  model.dispose();
});

test.each([
  ['a class token', {}],
  ['two heads', { distilled: true }],
  ['the mean of the patches', { pool: 'mean' }],
  ['class token and mean', { pool: 'token_mean' }],
  ['attention pooling', { pool: 'map', classToken: false }],
] as [
  string,
  ModelOverrides,
][])('what the head of a model with %s reads gives its logits', async (_, overrides) => {
  const model = tiny(overrides);
  const pixels = noise(2 * 16 * 16 * 3);
  const expected = await model.predictPixels(pixels, 2);
  const features = await headFeatures(model, pixels, 2);
  const width = features.length / 2;
  const rows = [features.slice(0, width), features.slice(width)];
  const logits = headAnswers(await ownHeads(model), rows).flatMap((row) => [...row]);
  expect(farthest(logits, expected)).toBeLessThan(1e-5);
  await expect(headFeatures(model, pixels, 1)).rejects.toThrow(/takes 1 × 16 × 16 × 3 numbers, got 1536/);
  model.dispose();
});

test.each([
  undefined,
  'int8',
] as const)('a head on digits is learnt, exported and loaded again (%s)', async (quantize) => {
  const model = quantize ? await load(CHECKPOINT, { backend: 'wasm', quantize }) : digits;
  const files = ['3/00018', '3/00030', '3/00032', '7/00000', '7/00017', '1/00002', '1/00005'];
  const pixels = await Promise.all(
    files.map(async (file) =>
      preprocess(await decodeImage(`examples/digits/val/${file}.png`), model.preprocessing),
    ),
  );
  const features: Float32Array[] = [];
  for (const each of pixels) features.push(await headFeatures(model, each));
  const labels = [0, 0, 0, 1, 1, 2, 2];
  const before = tf.memory().numTensors;
  const heads = await trainHead(model, { features, labels, numClasses: 3 });
  expect(tf.memory().numTensors).toBe(before);
  const names = ['three', 'seven', 'one, or a line'];
  const bytes = await bytesOf(await exportStateDict(model, { heads, labels: names }));
  const { tensors } = await parseCheckpoint(bytes);
  expect(tensors.get('head.weight')!.shape).toEqual([3, 64]);
  expect(tensors.get('head_dist.bias')!.shape).toEqual([3]);
  const loaded = await load(bytes, { backend: 'wasm' });
  expect(loaded.labels).toEqual(names);
  expect(loaded.preprocessing).toEqual(model.preprocessing);
  const expected = headAnswers(heads, features);
  for (const [i, each] of pixels.entries()) {
    const logits = await loaded.predictPixels(each, 1);
    // 8-bit weights multiply 8-bit activations; their export does not.
    expect(farthest(logits, expected[i]!)).toBeLessThan(quantize ? 0.5 : 1e-4);
    expect(logits.indexOf(Math.max(...logits))).toBe(labels[i]);
  }
  loaded.dispose();
  if (quantize) model.dispose();
});

test('a model exported with its own heads gives its own logits', async () => {
  const loaded = await load(await bytesOf(await exportStateDict(digits)), { backend: 'wasm' });
  expect(loaded.labels).toEqual(digits.labels);
  const pixels = noise(28 * 28 * 3);
  expect(farthest(await loaded.predictPixels(pixels, 1), await digits.predictPixels(pixels, 1))).toBeLessThan(
    1e-5,
  );
  loaded.dispose();
});

test('names that are not those of the exported classes are refused', async () => {
  const heads = await trainHead(digits, {
    features: [new Float32Array(128), new Float32Array(128).fill(1)],
    labels: [0, 1],
    numClasses: 2,
  });
  const attempt = (options: Parameters<typeof exportStateDict>[1]) => exportStateDict(digits, options);
  await expect(attempt({ labels: ['one'] })).rejects.toThrow(
    'exportStateDict: there are 10 classes, and labels names 1',
  );
  await expect(attempt({ heads, labels: ['one', 'two', 'three'] })).rejects.toThrow(
    'there are 2 classes, and labels names 3',
  );
  // The model's own names are those of its own classes.
  await expect(attempt({ heads })).rejects.toThrow(/heads of 2 classes need the classes' names, as labels$/);
  const ten = { features: [...Array(10)].map((_, i) => new Float32Array(128).fill(i)), numClasses: 10 };
  const others = await trainHead(digits, { ...ten, labels: [...Array(10).keys()] });
  await expect(attempt({ heads: others })).rejects.toThrow(/heads of 10 classes need/);
});

test('what cannot be trained on or exported is said', async () => {
  const row = new Float32Array(128);
  const attempt = (features: Float32Array[], labels: number[], numClasses: number) =>
    trainHead(digits, { features, labels, numClasses });
  await expect(attempt([row, row], [0, 0], 2)).rejects.toThrow('class 1 has no example');
  await expect(attempt([row], [0], 1)).rejects.toThrow('expected at least two classes, got 1');
  await expect(attempt([row], [0, 1], 2)).rejects.toThrow('expected a label for each of 1 examples, got 2');
  await expect(attempt([row, row], [0, 2], 2)).rejects.toThrow('expected labels from 0 to 1, got 2');
  await expect(attempt([row, new Float32Array(64)], [0, 1], 2)).rejects.toThrow(
    'example 1: expected 128 features, got 64',
  );
  await expect(attempt([row, row.map(() => Number.NaN)], [0, 1], 2)).rejects.toThrow('not finite');
  const both = tiny({ pool: 'token_mean' });
  await expect(exportStateDict(both)).rejects.toThrow(/cannot be exported/);
  both.dispose();
  const signal = AbortSignal.abort();
  const examples = { features: [row, row], labels: [0, 1], numClasses: 2 };
  await expect(trainHead(digits, examples, { signal })).rejects.toThrow(/abort/);
});

test.each([
  [{ steps: 0 }, 'steps is a whole number of at least 1, got the number 0'],
  [{ learningRate: 0 }, 'learningRate is a number above 0, got the number 0'],
  [{ learningRate: Number.NaN }, 'learningRate is a number above 0, got the number NaN'],
  [{ weightDecay: -1 }, 'weightDecay is a number of at least 0, got the number -1'],
])('options that train nothing are refused: %o', async (options, message) => {
  const examples = {
    features: [new Float32Array(128), new Float32Array(128)],
    labels: [0, 1],
    numClasses: 2,
  };
  await expect(trainHead(digits, examples, options)).rejects.toThrow(`trainHead: ${message}`);
});

test('heads that do not fit the features, the model or the names of the classes are refused', async () => {
  const heads = await ownHeads(digits);
  const classes = heads.get('head.bias')!.length;
  const labels = Array.from({ length: classes }, (_, i) => `class ${i}`);
  expect(() => headAnswers(heads, [new Float32Array(128), new Float32Array(127)])).toThrow(
    'example 1: expected 128 features, got 127',
  );
  const without = (name: string) => new Map([...heads].filter(([other]) => other !== name));
  expect(() => headAnswers(new Map(), [new Float32Array(128)])).toThrow(
    /heads are head with .*, got nothing/,
  );
  expect(() => headAnswers(without('head_dist.bias'), [new Float32Array(128)])).toThrow(
    /heads are head and head_dist with/,
  );
  const refused = (options: object, message: string | RegExp) =>
    expect(exportStateDict(digits, options)).rejects.toThrow(message);
  await refused({ heads }, `heads of ${classes} classes need the classes' names, as labels`);
  await refused(
    { heads, labels: labels.slice(1) },
    `there are ${classes} classes, and labels names ${classes - 1}`,
  );
  await refused({ labels: ['a'] }, 'there are 10 classes, and labels names 1');
  await refused({ heads: without('head_dist.kernel'), labels }, /heads are head and head_dist with/);
  await refused({ heads: new Map([...heads, ['other', new Float32Array(1)]]), labels }, /other \[1\]/);
  const narrow = new Map(
    [...heads].map(([name, values]) => [name, name.endsWith('kernel') ? values.slice(classes) : values]),
  );
  await refused({ heads: narrow, labels }, "heads read 63 features, the model's give 64");
});
