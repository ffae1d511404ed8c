/** What a configuration's optimizer comes to in a run. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { TrainLoader } from '../../src/data/loader.js';
import { createModel } from '../../src/models/create.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import { studentOf } from '../../src/train/student.js';
import { learningRateAt, Trainer } from '../../src/train/trainer.js';

const SIDE = 8;
const LENGTH = 8;

function batchOf(indices: number[]) {
  const size = SIDE * SIDE * 3;
  const pixels = Float32Array.from({ length: indices.length * size }, (_, i) =>
    Math.sin((indices[Math.floor(i / size)]! + 1) * ((i % size) + 1)),
  );
  return { pixels, labels: Int32Array.from(indices, (i) => i % 2), indices: Int32Array.from(indices) };
}

const data: TrainLoader = {
  name: 'waves',
  length: LENGTH,
  classNames: ['even', 'odd'],
  close: async () => {},
  describe: (index) => `wave ${index}`,
  batchesPerEpoch: (size) => Math.floor(LENGTH / size),
  async *batches(_epoch, { batchSize, start }) {
    for (let at = start * batchSize; at + batchSize <= LENGTH; at += batchSize) {
      yield batchOf(Array.from({ length: batchSize }, (_, i) => at + i));
    }
  },
};
const val = {
  ...data,
  labels: Array.from({ length: LENGTH }, (_, i) => i % 2),
  async *batches(batchSize: number) {
    yield* data.batches(0, { batchSize, start: 0 });
  },
};

interface Choice {
  batchSize: number;
  accumulate?: number;
  weightDecay?: number;
  eps?: number;
}

const configOf = ({ batchSize, accumulate = 1, weightDecay = 0, eps = 0.01 }: Choice) =>
  resolveTrainConfig({
    data: { format: 'folder', path: 'none' },
    val: { format: 'folder', path: 'none' },
    mix: { mixup: 0, cutmix: 0 },
    labelSmoothing: 0,
    optimizer: { lr: 0.01, lrBatch: null, weightDecay, eps, clipGrad: null },
    schedule: { epochs: 1, warmupEpochs: 0 },
    batchSize,
    accumulate,
    evalBatchSize: LENGTH,
    emaDecay: null,
    output: 'none',
  });

/** Weights before and after one step on all images. */
async function train(choice: Choice) {
  const shape = { patchSize: 4, embedDim: 8, depth: 1, numHeads: 2, numClasses: 2 };
  const model = createModel({ ...shape, imgSize: [SIDE, SIDE] }, { seed: 1 });
  const student = studentOf(model, { frozenBlocks: 0, attentionOnly: false });
  const read = () =>
    new Map(student.trainable.map((name) => [name, student.weights.get(name)!.read().dataSync().slice()]));
  const before = read();
  const trainer = new Trainer({ config: configOf(choice), student, imgSize: [SIDE, SIDE], data, val });
  await trainer.run();
  expect(trainer.at.step).toBe(1);
  const after = read();
  trainer.dispose();
  model.dispose();
  return { before, after, decays: student.decays };
}

beforeAll(() => tf.setBackend('cpu'));
afterAll(() => tf.disposeVariables());

test('weight decay takes learning rate · decay · weight off the weights that decay, and nothing off the others', async () => {
  const without = await train({ batchSize: LENGTH });
  const decayed = await train({ batchSize: LENGTH, weightDecay: 3 });
  for (const [name, weights] of without.before) {
    const rate = without.decays(name) ? 0.01 * 3 : 0;
    for (const [i, weight] of weights.entries()) {
      const expected = without.after.get(name)![i]! - rate * weight;
      expect(decayed.after.get(name)![i]).toBeCloseTo(expected, 6);
    }
  }
}, 60_000);

test('two accumulated batches are one batch of twice the size', async () => {
  const whole = await train({ batchSize: LENGTH });
  const halves = await train({ batchSize: LENGTH / 2, accumulate: 2 });
  for (const [name, weights] of whole.after) {
    for (const [i, weight] of weights.entries()) expect(halves.after.get(name)![i]).toBeCloseTo(weight, 5);
  }
}, 60_000);

test('the learning rate grows with the images of a step, and is set by epoch or by step', () => {
  const config = {
    ...configOf({ batchSize: 32, accumulate: 4 }),
    optimizer: { ...configOf({ batchSize: 32 }).optimizer, lr: 5e-4, lrBatch: 512 },
  };
  const schedule = { epochs: 10, warmupEpochs: 2, minLr: 1e-5, warmupLr: 1e-6 };
  const peak = (5e-4 * 128) / 512;
  const cosine = (time: number) => 1e-5 + ((peak - 1e-5) * (1 + Math.cos((Math.PI * time) / 10))) / 2;
  const at = (per: 'epoch' | 'step', epoch: number, step: number) =>
    learningRateAt({ ...config, schedule: { ...schedule, per } }, { epoch, step, batch: 0, lossSum: 0 }, 20);
  expect(at('epoch', 0, 7)).toBeCloseTo(1e-6, 12);
  // An epoch behind, as facebookresearch/deit trains.
  expect(at('epoch', 2, 47)).toBeCloseTo(1e-6 + (peak - 1e-6) / 2, 12);
  expect(at('epoch', 6, 120)).toBeCloseTo(cosine(5), 12);
  expect(at('step', 0, 10)).toBeCloseTo(1e-6 + (peak - 1e-6) / 4, 12);
  expect(at('step', 6, 130)).toBeCloseTo(cosine(6.5), 12);
});
