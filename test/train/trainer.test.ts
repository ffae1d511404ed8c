import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend.js';
import type { EvalLoader, TrainBatch, TrainLoader } from '../../src/data/loader.js';
import { UserError } from '../../src/errors.js';
import { createModel } from '../../src/models/create.js';
import type { VisionTransformer } from '../../src/models/visionTransformer.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import { studentOf } from '../../src/train/student.js';
import { teacherOfModel } from '../../src/train/teacher.js';
import { type EpochRecord, Trainer } from '../../src/train/trainer.js';

const CLASSES = ['dark', 'bright'];
const SIDE = 8;

/** Images of one grey each, and whether it is a bright one. */
function batchOf(indices: number[]) {
  const labels = Int32Array.from(indices, (i) => i % 2);
  const pixels = new Float32Array(indices.length * SIDE * SIDE * 3);
  for (const [row, label] of labels.entries()) {
    pixels.fill(label ? 1 : -1, row * SIDE * SIDE * 3, (row + 1) * SIDE * SIDE * 3);
  }
  return { pixels, labels, indices: Int32Array.from(indices) };
}

const common = {
  name: 'greys',
  length: 16,
  classNames: CLASSES,
  describe: (index: number) => `grey ${index}`,
  close: async () => {},
};
const data: TrainLoader = {
  ...common,
  batchesPerEpoch: (size) => Math.floor(16 / size),
  async *batches(_epoch, { batchSize, start }) {
    for (let at = start * batchSize; at + batchSize <= 16; at += batchSize) {
      yield batchOf(Array.from({ length: batchSize }, (_, i) => at + i));
    }
  },
};
const val: EvalLoader = {
  ...common,
  labels: Array.from({ length: 16 }, (_, i) => i % 2),
  async *batches(batchSize) {
    yield* data.batches(0, { batchSize, start: 0 });
  },
};

const config = resolveTrainConfig({
  data: { format: 'folder', path: 'none' },
  val: { format: 'folder', path: 'none' },
  mix: { mixup: 0, cutmix: 0 },
  labelSmoothing: 0,
  optimizer: { lr: 0.01, lrBatch: null },
  schedule: { epochs: 4, warmupEpochs: 0 },
  batchSize: 4,
  evalBatchSize: 8,
  emaDecay: null,
  output: 'none',
});

let model: VisionTransformer;
beforeAll(async () => {
  await useBackend('wasm');
  const shape = {
    imgSize: [SIDE, SIDE] as const,
    patchSize: 4,
    embedDim: 16,
    depth: 1,
    numHeads: 2,
    numClasses: 2,
  };
  model = createModel(shape, { seed: 1 });
});
afterAll(() => model.dispose());

function makeTrainer() {
  const student = studentOf(model, { frozenBlocks: 0, attentionOnly: false });
  return new Trainer({ config, student, imgSize: [SIDE, SIDE], data, val });
}

test('trains without any hooks, and leaves no tensor behind', async () => {
  const before = tf.memory().numTensors;
  const trainer = makeTrainer();
  expect(await trainer.run()).toBe('done');
  expect(trainer.at).toMatchObject({ epoch: 4, step: 16 });
  expect(trainer.bestSoFar).toMatchObject({ top1: 100 });
  trainer.dispose();
  expect(tf.memory().numTensors).toBe(before);
}, 60_000);

test('tells of every epoch, and of no teacher where there is none', async () => {
  const trainer = makeTrainer();
  const epochs: EpochRecord[] = [];
  await trainer.run({
    onStep: async ({ loss, base, teacher }) => expect([teacher, base]).toEqual([undefined, loss]),
    onEpoch: (record) => void epochs.push(record),
  });
  expect(epochs.map(({ epoch, step }) => [epoch, step])).toEqual([
    [0, 4],
    [1, 8],
    [2, 12],
    [3, 16],
  ]);
  trainer.dispose();
}, 60_000);

test('a loss that is no number names the images of its batch', async () => {
  const broken: TrainLoader = {
    ...data,
    async *batches(epoch, options) {
      for await (const batch of data.batches(epoch, options))
        yield { ...batch, pixels: batch.pixels.fill(Number.NaN) };
    },
  };
  const student = studentOf(model, { frozenBlocks: 0, attentionOnly: false });
  const trainer = new Trainer({ config, student, imgSize: [SIDE, SIDE], data: broken, val });
  await expect(trainer.run()).rejects.toThrow(
    /the loss is NaN .*; images of the batch: grey 0, grey 1, grey 2, grey 3/,
  );
  trainer.dispose();
});

test('a run stays on its backend: other code changes the current one at every step, to the last bit', async () => {
  const shape = { patchSize: 4, embedDim: 16, depth: 2, numHeads: 2, numClasses: 2, dropPathRate: 0.2 };
  const train = async (disturb: () => Promise<unknown>) => {
    await tf.setBackend('wasm');
    const student = studentOf(
      createModel({ ...shape, imgSize: [SIDE, SIDE], distilled: true }, { seed: 2 }),
      { frozenBlocks: 0, attentionOnly: false },
    );
    const teacher = teacherOfModel(createModel({ ...shape, imgSize: [SIDE, SIDE] }, { seed: 3 }));
    const settings = resolveTrainConfig({
      ...config,
      emaDecay: 0.9,
      accumulate: 2,
      distillation: { type: 'hard', alpha: 0.5, tau: 1, teacher: 'none' },
      schedule: { epochs: 2, warmupEpochs: 0 },
    } as Parameters<typeof resolveTrainConfig>[0]);
    const trainer = new Trainer({ config: settings, student, teacher, imgSize: [SIDE, SIDE], data, val });
    const losses: number[] = [];
    await trainer.run({
      onStep: async ({ loss, base, teacher: taught, gradNorm }) => {
        expect(loss).toBeCloseTo((base + taught!) / 2, 5);
        losses.push(loss, gradNorm);
        await disturb();
      },
      onEvaluate: () => void disturb(),
    });
    const { tensors } = await trainer.snapshot();
    trainer.dispose();
    return { losses, tensors: [...tensors].map(([name, { values }]) => [name, [...values]]) };
  };
  const alone = await train(async () => {});
  const names = ['cpu', 'wasm'];
  let turn = 0;
  const disturbed = await train(() => tf.setBackend(names[turn++ % 2]!));
  expect(turn).toBeGreaterThan(4);
  await tf.setBackend('cpu'); // a resumed run too begins where its student is
  expect(await train(() => tf.setBackend('cpu'))).toEqual(alone);
  expect(disturbed).toEqual(alone);
  await tf.setBackend('wasm');
}, 120_000);

describe('data of a caller that does not fit is refused before it trains', () => {
  const trainOn = async (change: (batch: TrainBatch) => object, more: Partial<TrainLoader> = {}) => {
    const own: TrainLoader = {
      ...data,
      async *batches(epoch, options) {
        for await (const batch of data.batches(epoch, options)) yield { ...batch, ...change(batch) };
      },
      ...more,
    };
    const student = studentOf(model, { frozenBlocks: 0, attentionOnly: false });
    const before = model.layersModel.getWeights().map((weight) => weight.dataSync().slice());
    const trainer = new Trainer({ config, student, imgSize: [SIDE, SIDE], data: own, val });
    try {
      await trainer.run();
    } finally {
      expect(model.layersModel.getWeights().map((weight) => weight.dataSync())).toEqual(before);
      trainer.dispose();
    }
  };

  test.each<[string, (batch: TrainBatch) => object, string]>([
    ['a label too high', () => ({ labels: Int32Array.of(0, 1, 2, 1) }), 'from 0 to 1, got 2'],
    ['a negative label', () => ({ labels: Int32Array.of(0, 1, -1, 1) }), 'from 0 to 1, got -1'],
    ['a label between classes', () => ({ labels: [0, 1, 0.5, 1] }), 'from 0 to 1, got 0.5'],
    ['no number', () => ({ labels: [0, 1, Number.NaN, 1] }), 'from 0 to 1, got NaN'],
    [
      'too few labels',
      () => ({ labels: Int32Array.of(0) }),
      'labels should be 4 class indices, got 1 numbers',
    ],
    ['no labels', () => ({ labels: undefined }), 'labels should be 4 class indices, got undefined'],
    ['no indices', () => ({ indices: undefined }), 'indices should be those of its images, got undefined'],
    [
      'too few pixels',
      () => ({ pixels: new Float32Array(9) }),
      'Float32Array of [4, 8, 8, 3], got 9 numbers',
    ],
    [
      'levels',
      () => ({ pixels: new Uint8Array(4 * 8 * 8 * 3) }),
      'got 768 numbers in an object of class Uint8',
    ],
  ])('%s', async (_, change, message) => {
    await expect(trainOn(change)).rejects.toThrow(UserError);
    await expect(trainOn(change)).rejects.toThrow('greys: batch 0 of epoch 0: ');
    await expect(trainOn(change)).rejects.toThrow(message);
  });

  test('other classes than the student has', async () => {
    const classNames = ['dark', 'grey', 'bright'];
    const attempt = trainOn(() => ({}), { classNames });
    await expect(attempt).rejects.toThrow('greys: has 3 classes, and the student 2');
  });

  test('fewer batches than it says, after those that there are', async () => {
    const ended = new Trainer({
      config,
      student: studentOf(createModel(model.config, { seed: 2 }), { frozenBlocks: 0, attentionOnly: false }),
      imgSize: [SIDE, SIDE],
      data: { ...data, batchesPerEpoch: () => 9 },
      val,
    });
    await expect(ended.run()).rejects.toThrow(
      new UserError('greys ended at batch 4 of epoch 0; its batchesPerEpoch says 9'),
    );
    ended.dispose();
  });
});
