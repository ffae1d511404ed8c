import { beforeAll, describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { ImageBatch } from '../../src/data/loader.js';
import { DeviceLost } from '../../src/deviceLost.js';
import {
  type Classifier,
  evaluate,
  measure,
  type PredictedBatch,
  predictBatches,
} from '../../src/evaluate/evaluate.js';
import { Metrics } from '../../src/evaluate/metrics.js';
import { crossEntropy, predictionOf } from '../../src/evaluate/prediction.js';
import { createModel } from '../../src/models/create.js';

beforeAll(() => tf.setBackend('cpu'));

async function* of<T>(...items: T[]): AsyncGenerator<T> {
  yield* items;
}

async function all<T>(items: AsyncIterable<T>): Promise<[T, ...T[]]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  expect(found).not.toHaveLength(0);
  return found as [T, ...T[]];
}

test('cross-entropy is −log of the softmax of the truth, for any size of logits', () => {
  expect(crossEntropy([0, 0, 0, 0], 2)).toBeCloseTo(Math.log(4), 12);
  expect(crossEntropy([Math.log(1), Math.log(3)], 0)).toBeCloseTo(Math.log(4), 12);
  expect(crossEntropy([Math.log(1), Math.log(3)], 1)).toBeCloseTo(Math.log(4 / 3), 12);
  expect(crossEntropy([1000, 0], 1)).toBeCloseTo(1000, 9);
  expect(crossEntropy([-1000, -1001], 0)).toBeCloseTo(Math.log(1 + Math.exp(-1)), 9);
});

test('a prediction holds the five largest logits, largest first', () => {
  const logits = [0.5, 3, -1, 2, 4, 1];
  const prediction = predictionOf('a.png', 3, logits);
  expect(prediction).toEqual({
    label: 3,
    top5: [4, 1, 3, 5, 0],
    logits: [4, 3, 2, 1, 0.5],
    loss: crossEntropy(logits, 3),
  });
  expect(predictionOf('a.png', 0, [1, 2]).top5).toEqual([1, 0]);
});

test.each([
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
])('a logit of %d is refused', (bad) => {
  expect(() => predictionOf('a.png', 0, [1, 2, bad])).toThrow(/a\.png: the model's logit for class 2/);
});

test('a label that is none of the classes is refused, not counted as a wrong prediction with a loss of NaN', () => {
  for (const label of [3, -1, 1.5, Number.NaN]) {
    expect(() => predictionOf('a.png', label, [1, 2, 3])).toThrow(
      /a\.png: is of class \S+, and the model has the classes 0 to 2/,
    );
    expect(() => crossEntropy([1, 2, 3], label)).toThrow('an image: is of class');
  }
});

describe('measure', () => {
  const names = ['a', 'b', 'c', 'd'];
  const data = { length: 4, labels: [0, 1, 0, 1], describe: (index: number) => names[index]! };
  const batches = (): PredictedBatch[] => [
    { logits: Float32Array.of(2, 1, 2, 1), indices: [1, 0], failures: [{ index: 3, message: 'broken' }] },
    { logits: Float32Array.of(), indices: [], failures: [] },
    {
      logits: Float32Array.of(1, 3),
      heads: [Float32Array.of(0, 3), Float32Array.of(2, 3)],
      indices: [2],
      failures: [],
    },
  ];

  test('gives each image its row of the logits, in whatever order they come', async () => {
    const seen: unknown[] = [];
    const failed: unknown[] = [];
    const result = await measure(of(...batches()), data, {
      onPrediction: (index, { label, top5 }, logits, heads) =>
        void seen.push([names[index], label, top5[0], [...logits], heads.map((head) => [...head])]),
      onFailure: (index, message) => void failed.push([names[index], message]),
    });
    expect(seen).toEqual([
      ['b', 1, 0, [2, 1], []],
      ['a', 0, 0, [2, 1], []],
      [
        'c',
        0,
        1,
        [1, 3],
        [
          [0, 3],
          [2, 3],
        ],
      ],
    ]);
    expect(failed).toEqual([['d', 'broken']]);
    expect(result).toMatchObject({ images: 3, failed: 1, top1: 100 / 3, top5: 100 });
    const [right, wrong] = [Math.log(1 + Math.exp(-1)), Math.log(1 + Math.exp(1))];
    expect(result.loss).toBeCloseTo((right + wrong + Math.log(1 + Math.exp(2))) / 3, 6);
    expect(result.imagesPerSecond).toBeGreaterThan(0);
  });

  test('leaves out what is counted already, and counts no image that could not be written down', async () => {
    const metrics = new Metrics(4);
    metrics.add(1, { label: 1, top5: [1], logits: [0], loss: 0 });
    const [counted, repeated]: number[][] = [[], []];
    const run = measure(
      of(...batches()),
      data,
      {
        onPrediction: (index) => {
          counted!.push(index);
          if (index === 2) throw new Error('disk full');
        },
        onRepeated: (index) => void repeated!.push(index),
      },
      metrics,
    );
    await expect(run).rejects.toThrow('disk full');
    expect([counted, repeated]).toEqual([[0, 2], [1]]);
    expect(metrics.accuracy()).toMatchObject({ images: 2, top1: 100 });
  });
});

describe('predictBatches', () => {
  /** Its logits are the mean of each image's pixels, and 1. */
  const model: Classifier = {
    config: { imgSize: [1, 2] },
    onBackend: (run) => run(),
    predict: (x) => tf.concat2d([tf.reshape(tf.mean(x, [1, 2, 3]), [-1, 1]), tf.ones([x.shape[0], 1])], 1),
  };
  const data = Float32Array.from({ length: 12 }, (_, i) => i);
  const batch: ImageBatch = { pixels: data, indices: [5, 7], failures: [{ index: 6, message: 'broken' }] };

  test('gives logits, indices and failures of each batch, and leaves no tensor', async () => {
    const before = tf.memory().numTensors;
    const empty = { pixels: new Float32Array(), indices: [] };
    const [first, second] = await all(predictBatches(model, of(batch, empty)));
    expect([...first.logits]).toEqual([2.5, 1, 8.5, 1]);
    expect(first).toMatchObject({ indices: [5, 7], failures: [{ index: 6, message: 'broken' }] });
    expect(first.heads).toBeUndefined();
    expect(second).toMatchObject({ indices: [], failures: [] });
    expect(second!.logits).toHaveLength(0);
    expect(tf.memory().numTensors).toBe(before);
  });

  test("computes on the model's own backend", async () => {
    let asked = 0;
    const onBackend = <T>(run: () => T): T => {
      asked++;
      return run();
    };
    const [scored] = await all(predictBatches({ ...model, onBackend }, of(batch)));
    expect([...scored.logits]).toEqual([2.5, 1, 8.5, 1]);
    expect(asked).toBe(1);
  });

  test('gives both heads of a distilled model with their mean where they are asked for', async () => {
    const shape = {
      imgSize: [4, 4],
      patchSize: 4,
      embedDim: 4,
      depth: 1,
      numHeads: 1,
      numClasses: 3,
    } as const;
    const distilled = createModel({ ...shape, distilled: true }, { seed: 2 });
    const plain = createModel(shape, { seed: 2 });
    const pixels = { pixels: new Float32Array(2 * 48).fill(0.5), indices: [0, 1], failures: [] };
    const [{ logits, heads }] = await all(predictBatches(distilled, of(pixels), { heads: true }));
    const [one, other] = heads as [Float32Array, Float32Array];
    expect(one).not.toEqual(other);
    expect(one).toHaveLength(6);
    for (const [i, value] of logits.entries()) expect(value).toBeCloseTo((one[i]! + other[i]!) / 2, 6);
    const [unasked] = await all(predictBatches(distilled, of(pixels)));
    for (const [i, value] of unasked.logits.entries()) expect(value).toBeCloseTo(logits[i]!, 6);
    expect(unasked.heads).toBeUndefined();
    const [single] = await all(predictBatches(plain, of(pixels), { heads: true }));
    expect(single.heads).toBeUndefined();
    expect(single.logits).toHaveLength(6);
    distilled.dispose();
    plain.dispose();
  });

  test('takes pixels to a model that wants them so', async () => {
    const asked: unknown[] = [];
    const predictPixels = async (images: Float32Array, count: number) => {
      asked.push([images, count]);
      return Float32Array.of(1, 2, 3, 4);
    };
    const [scored] = await all(predictBatches({ ...model, predictPixels }, of(batch)));
    expect(asked).toEqual([[data, 2]]);
    expect([...scored.logits]).toEqual([1, 2, 3, 4]);
  });

  test('a batch whose GPU is lost goes to the model that recover gives, as do those that follow', async () => {
    const answering = (value: number, losesAt?: number): Classifier => {
      let calls = 0;
      return {
        ...model,
        predictPixels: async (_, count) => {
          if (++calls === losesAt) throw new DeviceLost(`${value} lost its GPU`, '');
          return new Float32Array(2 * count).fill(value);
        },
      };
    };
    const losses: string[] = [];
    const next = [answering(2, 1), answering(3)];
    const recover = async ({ what }: DeviceLost) => {
      losses.push(what);
      return next.shift()!;
    };
    const scored = await all(predictBatches(answering(1, 2), of(batch, batch, batch), { recover }));
    expect(scored.map(({ logits }) => logits[0])).toEqual([1, 3, 3]);
    expect(losses).toEqual(['1 lost its GPU', '2 lost its GPU']);
    await expect(all(predictBatches(answering(1, 1), of(batch)))).rejects.toThrow('1 lost its GPU');
    const broken = { ...model, predictPixels: () => Promise.reject(new Error('another error')) };
    await expect(all(predictBatches(broken, of(batch), { recover }))).rejects.toThrow('another error');
  });
});

describe('evaluate', () => {
  test('runs a model over a loader, and ends where a hook says so', async () => {
    const model: Classifier = {
      config: { imgSize: [1, 1] },
      onBackend: (run) => run(),
      // The second class wins where the first channel is positive.
      predict: (x) =>
        tf.concat2d([tf.zeros([x.shape[0], 1]), tf.reshape(tf.slice(x, 0, [-1, 1, 1, 1]), [-1, 1])], 1),
    };
    const sizes: number[] = [];
    const loader = {
      name: 'signs',
      length: 6,
      classNames: ['−', '+'],
      labels: [0, 1, 0, 1, 0, 0],
      describe: (index: number) => `sign ${index}`,
      async *batches(batchSize: number) {
        sizes.push(batchSize);
        for (let i = 0; i < 6; i += batchSize) {
          const indices = Array.from({ length: batchSize }, (_, k) => i + k);
          yield { indices, pixels: Float32Array.from(indices.flatMap((k) => Array(3).fill(k % 2 ? 1 : -1))) };
        }
      },
      close: async () => {},
    };
    expect(await evaluate(model, loader, { batchSize: 3 })).toMatchObject({ images: 6, top1: (100 * 5) / 6 });
    expect(await evaluate(model, loader, { batchSize: 2, onBatch: () => false })).toMatchObject({
      images: 2,
    });
    expect(sizes).toEqual([3, 2]);
  });
});
