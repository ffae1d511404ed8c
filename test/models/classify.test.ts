/** What classify, logits and embed take and give, without a platform's own images. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend.js';
import { preprocess } from '../../src/image/index.js';
import {
  type ClassifyInput,
  setImagePreparer,
  tensorToRgb,
  topIndices,
  topPredictions,
} from '../../src/models/classify.js';
import { createModel } from '../../src/models/create.js';
import type { VisionTransformer } from '../../src/models/visionTransformer.js';
import { fixture, testImage } from '../image/images.js';

interface Levels {
  readonly values: number[];
  readonly levels: number[];
}

/** Pillow's: test/fixtures/make_levels.py. */
const reference: Record<'float32' | 'int32', Levels> = JSON.parse(
  readFileSync(fixture('levels.json'), 'utf8'),
);

let model: VisionTransformer;
const image = testImage(40, 30);

beforeAll(async () => {
  await useBackend('wasm');
  model = createModel(
    { embedDim: 16, depth: 2, numHeads: 2, numClasses: 7, patchSize: 8 },
    { imgSize: [24, 32], distilled: true },
  );
});

/** A tensor [1, n, 3] of grey levels. */
const grey = (levels: number[], dtype: tf.DataType = 'float32') =>
  tf.tensor3d(
    levels.flatMap((level) => [level, level, level]),
    [1, levels.length, 3],
    dtype as 'float32',
  );

describe('a tensor of levels', () => {
  test.each(['float32', 'int32'] as const)('%s: clamped and cut off as Pillow does', async (dtype) => {
    const { values, levels } = reference[dtype];
    const { data } = await tensorToRgb(grey(values, dtype));
    expect([...data].filter((_, i) => i % 3 === 0)).toEqual(levels);
  });

  test('is classified as its bytes are', async () => {
    const tensor = tf.tensor3d([...image.data], [30, 40, 3]);
    expect(await model.classify(tensor)).toEqual(await model.classify(image));
    const whole = tf.cast(tensor, 'int32') as tf.Tensor3D;
    expect(await model.classify(whole)).toEqual(await model.classify(image));
  });

  test.each([
    ['0…1', [0, 0.5, 1]],
    ['−1…1', [-1, 0.2, 1]],
    ['normalised by mean and std', [-2.1179, 0, 2.64]],
    ['a mean taken off', [-123.7, 0, 131.3]],
    ['all 1', [1, 1]],
  ])('%s is refused, with what to do', async (_, levels) => {
    await expect(model.classify(grey(levels))).rejects.toThrow(
      /^classify takes a tensor of levels 0…255, and the values .*….* look normalised; multiply values of 0…1 by 255/,
    );
  });

  test.each([
    ['10 bits', 'int32', [0, 1023]],
    ['16 bits', 'int32', [0, 65535]],
    ['16 bits as floats', 'float32', [0, 300.5, 65535]],
    ['far above', 'float32', [0, 320]],
  ] as const)('levels of %s are refused: they would be white', async (_, dtype, levels) => {
    await expect(model.classify(grey([...levels], dtype))).rejects.toThrow(
      /levels 0…255, and the values 0….* go further; scale them to 0…255, those of 16 bits by 255 \/ 65535$/,
    );
  });

  test('whole levels from which a mean was taken off are refused', async () => {
    await expect(model.classify(grey([-124, 0, 131], 'int32'))).rejects.toThrow(/look normalised/);
  });

  test('a black image, a dark one of int32, and what a resampling overshoots are levels', async () => {
    expect([...(await tensorToRgb(grey([0, 0]))).data]).toEqual([0, 0, 0, 0, 0, 0]);
    expect((await tensorToRgb(grey([0, 1], 'int32'))).data[3]).toBe(1);
    expect((await tensorToRgb(grey([-9.5, 260]))).data).toEqual(Uint8Array.of(0, 0, 0, 255, 255, 255));
  });

  test.each([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ])('%d is an error', async (value) => {
    await expect(model.classify(grey([0, 200, value]))).rejects.toThrow(
      `the tensor of levels holds ${value} at place 6`,
    );
  });

  test('another shape or dtype is an error', async () => {
    const wrong = /^classify takes a tensor \[height, width, 3\] of levels 0…255, got \[4,4,1\]$/;
    await expect(model.classify(tf.ones([4, 4, 1]) as tf.Tensor3D)).rejects.toThrow(wrong);
    await expect(model.classify(grey([1], 'bool'))).rejects.toThrow(/as int32 or float32, got one of bool$/);
  });

  test('without pixels or disposed of it is an error', async () => {
    await expect(model.classify(tf.zeros([0, 4, 3]) as tf.Tensor3D)).rejects.toThrow(/, got \[0,4,3\]$/);
    const disposed = tf.zeros([4, 4, 3]) as tf.Tensor3D;
    disposed.dispose();
    await expect(model.classify(disposed)).rejects.toThrow(/^the tensor of an image has been disposed of/);
  });
});

describe('what is no image is named, with what would be one', () => {
  test.each<[string, unknown, RegExp]>([
    ['a number', 42, /^an image is expected, got the number 42; give \{data, width, height\}/],
    ['nothing', undefined, /got undefined; give/],
    ['null', null, /got null; give/],
    ['an object', { foo: 1 }, /got an object with foo; give/],
    ['another class', new Date(), /got an object of class Date; give/],
    [
      'floats as pixels',
      { data: new Float32Array(12), width: 2, height: 2 },
      /data is a Uint8Array.*Float32Array$/,
    ],
    [
      'too few bytes',
      { data: new Uint8Array(11), width: 2, height: 2 },
      /has 12 bytes of RGB or 16 of RGBA, got 11$/,
    ],
    [
      'no size',
      { data: new Uint8Array(12), width: 2, height: 0 },
      /whole numbers of at least 1, got the number 2 and the number 0$/,
    ],
    [
      'another color space',
      { data: new Uint8Array(12), width: 2, height: 2, colorSpace: 'display-p3' },
      /levels are those of sRGB, got the text "display-p3"/,
    ],
    ['half a pixel', { data: new Uint8Array(9), width: 1.5, height: 2 }, /whole numbers of at least 1/],
  ])('%s', async (_, input, message) => {
    await expect(model.classify(input as ClassifyInput)).rejects.toThrow(message);
  });

  test('in a list, with its place', async () => {
    const sparse = [image];
    sparse[2] = image;
    await expect(model.classify(sparse)).rejects.toThrow(
      /^image 1 of the list: an image is expected, got undefined/,
    );
    const list = [image, 'x' as unknown as ClassifyInput];
    await expect(model.classify(list)).rejects.toThrow(
      /^image 1 of the list: an image is expected, got the text "x"/,
    );
  });
});

test.each([
  -1,
  0,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  '5',
  null,
])('topK: %p is an error', async (topK) => {
  await expect(model.classify(image, { topK: topK as number })).rejects.toThrow(
    /^topK is a whole number of at least 1/,
  );
});

test('unknown options are errors that name the nearest', async () => {
  await expect(model.classify(image, { topk: 3 } as object)).rejects.toThrow(
    'classify has no option "topk"; did you mean topK?',
  );
  const x = tf.zeros([1, 24, 32, 3]);
  expect(() => model.features(x, { attentions: true } as object)).toThrow(
    'features has no option "attentions"; did you mean attention?',
  );
  expect(() => createModel('deit_tiny_patch16_224', { numClass: 3 } as object)).toThrow(
    'a model has no field "numClass"; did you mean numClasses?',
  );
});

test('an array gives one result for each, as each alone', async () => {
  const images = [image, testImage(24, 32), testImage(50, 50)];
  const one = await Promise.all(images.map((each) => model.classify(each, { topK: 2 })));
  expect(await model.classify(images, { topK: 2 })).toEqual(one);
  expect(await model.classify([])).toEqual([]);
  expect(await model.logits(images)).toEqual(await Promise.all(images.map((each) => model.logits(each))));
});

test('logits are those of predict, and embed the tokens of features', async () => {
  const before = tf.memory().numTensors;
  const logits = await model.logits(image);
  const embedding = await model.embed(image);
  const [also] = await model.embed([image]);
  expect(tf.memory().numTensors).toBe(before);
  expect(also).toEqual(embedding);
  const { classToken, distillationToken, patchMean } = embedding;
  const x = tf.tensor4d(preprocess(image, model.preprocessing), [1, 24, 32, 3]);
  expect([...logits]).toEqual([...model.predict(x).dataSync()]);
  const rows = (model.features(x).tokens.arraySync() as number[][][])[0]!;
  expect([...classToken!]).toEqual(rows[0]);
  expect([...distillationToken!]).toEqual(rows[1]);
  const patches = rows.slice(2); // class and distillation token stand first
  expect(patches.length).toBe(12);
  for (const [i, mean] of patchMean.entries()) {
    expect(mean).toBeCloseTo(patches.reduce((sum, row) => sum + row[i]!, 0) / 12, 5);
  }
  expect([...classToken!]).not.toEqual([...patchMean]);
});

test('without a class token the embedding is the mean of the patches, and registers are none', async () => {
  const mean = createModel(
    {
      embedDim: 16,
      depth: 1,
      numHeads: 2,
      numClasses: 3,
      patchSize: 8,
      classToken: false,
      registers: 3,
      pool: 'mean',
    },
    { imgSize: 16 },
  );
  const embedding = await mean.embed(image);
  expect(embedding.classToken).toBeUndefined();
  expect(embedding.distillationToken).toBeUndefined();
  const x = tf.tensor4d(preprocess(image, mean.preprocessing), [1, 16, 16, 3]);
  const rows = (mean.features(x).tokens.arraySync() as number[][][])[0]!;
  expect(rows.length).toBe(7);
  for (const [i, value] of embedding.patchMean.entries()) {
    expect(value).toBeCloseTo(rows.slice(3).reduce((sum, row) => sum + row[i]!, 0) / 4, 5);
  }
  mean.dispose();
});

describe('a signal ends', () => {
  const reason = new Error('enough');
  const calls = [
    ['classify', (signal: AbortSignal) => model.classify([image, image], { signal })],
    ['logits', (signal: AbortSignal) => model.logits([image, image], { signal })],
    ['embed', (signal: AbortSignal) => model.embed([image, image], { signal })],
  ] as const;

  test.each(calls)('%s before it begins, with its reason', async (_, call) => {
    await expect(call(AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test.each(calls)('%s while it is under way, and the next call is answered', async (_, call) => {
    const before = tf.memory().numTensors;
    const controller = new AbortController();
    const ended = call(controller.signal);
    controller.abort(reason);
    await expect(ended).rejects.toBe(reason);
    expect(await call(new AbortController().signal)).toHaveLength(2);
    expect(tf.memory().numTensors).toBe(before);
  });
});

test('a model without a head gives logits’ features and refuses to classify', async () => {
  const headless = createModel(
    { embedDim: 16, depth: 1, numHeads: 2, numClasses: 0, patchSize: 8 },
    { imgSize: 16 },
  );
  expect((await headless.logits(image)).length).toBe(16);
  await expect(headless.classify(image)).rejects.toThrow(/has no head to classify with; use embed/);
  headless.dispose();
});

test('logits that are not finite are an error', async () => {
  const broken = createModel(
    { embedDim: 16, depth: 1, numHeads: 2, numClasses: 3, patchSize: 8 },
    { imgSize: 16 },
  );
  const weights = broken.layersModel.getWeights();
  weights[weights.length - 1] = tf.tensor1d([0, Number.NaN, 0]);
  broken.layersModel.setWeights(weights);
  await expect(broken.classify(image)).rejects.toThrow(/^vit: its output holds NaN on the wasm backend/);
  broken.dispose();
});

test('predict refuses what is no float32 batch', () => {
  expect(() => model.predict(image as unknown as tf.Tensor)).toThrow(/classify takes images$/);
  expect(() => model.predict(tf.zeros([1, 24, 32, 3], 'int32'))).toThrow(/got one of int32$/);
  expect(() => model.features(tf.zeros([1, 32, 24, 3]))).toThrow(
    /features takes a float32 tensor.*got \[1,32,24,3\]$/,
  );
});

test('probabilities are a softmax, most probable first', () => {
  const found = topPredictions([1, 3, 2], 2, ['a', 'b', 'c']);
  expect(found.map(({ label, index }) => [label, index])).toEqual([
    ['b', 1],
    ['c', 2],
  ]);
  expect(found[0]!.probability).toBeCloseTo(Math.exp(3) / (Math.exp(1) + Math.exp(2) + Math.exp(3)), 12);
});

test.each([1, 5, 32, 33, 200])('the %s largest are those of a stable sort, ties included', (k) => {
  const values = Float32Array.from({ length: 150 }, (_, i) => Math.round(20 * Math.sin(i * i)));
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]!);
  expect(topIndices(values, k)).toEqual(order.slice(0, k));
  expect(topIndices([3, 1, 3, 2, 3], k)).toEqual([0, 2, 4, 3, 1].slice(0, k));
});

test('the next images of a list are prepared while these are computed', async () => {
  const order: string[] = [];
  const pixels = new Float32Array(24 * 32 * 3);
  setImagePreparer(() => {
    order.push('prepare');
    return Promise.resolve(pixels);
  });
  const run = async (_: Float32Array, batch: number) => {
    order.push('compute');
    await new Promise((resolve) => setTimeout(resolve, 20));
    return new Float32Array(batch * 7);
  };
  const own = createModel(
    { embedDim: 8, depth: 1, numHeads: 1, numClasses: 7, patchSize: 8 },
    { imgSize: [24, 32] },
  );
  try {
    own.useRuntime({ predict: (x) => tf.zeros([x.shape[0], 7]), run, dispose: () => {} });
    await own.classify(Array(17).fill(image));
  } finally {
    setImagePreparer(() => undefined);
    own.dispose();
  }
  const eight = Array(8).fill('prepare');
  expect(order).toEqual([...eight, ...eight, 'compute', 'prepare', 'compute', 'compute']);
});

test('a model of other channels than RGB refuses images, not pixels', async () => {
  const grey = createModel(
    { embedDim: 8, depth: 1, numHeads: 1, numClasses: 7, patchSize: 8, inChans: 1, name: 'grey' },
    { imgSize: [24, 32] },
  );
  const refusal = 'grey: takes images of 1 channel, and images are decoded to 3 (RGB); give predict a tensor';
  for (const method of ['classify', 'logits', 'embed'] as const) {
    await expect(grey[method](image)).rejects.toThrow(refusal);
  }
  expect(grey.predict(tf.zeros([1, 24, 32, 1])).shape).toEqual([1, 7]);
  grey.dispose();
});
