/** A Trainer of code's own parts: where they do not fit each other, one line says so, on tfjs' gradients and on the engine. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { useBackend } from '../../src/backend.js';
import type { EvalLoader, TrainBatch, TrainLoader } from '../../src/data/loader.js';
import { createModel } from '../../src/models/create.js';
import { openTrainingEngine } from '../../src/node/train/engine.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import { studentOf, studentOfLayersModel } from '../../src/train/student.js';
import { givesProbabilities, teacherOfLayersModel } from '../../src/train/teacher.js';
import { Trainer } from '../../src/train/trainer.js';

beforeAll(() => useBackend('wasm'));
afterAll(() => tf.disposeVariables());

const SIDE = 8;
const NAMES = ['a', 'b', 'c'];
const shape = { imgSize: [SIDE, SIDE] as [number, number], patchSize: 4, embedDim: 8, depth: 1, numHeads: 2 };
const pixels = (images: number) =>
  Float32Array.from({ length: images * SIDE * SIDE * 3 }, (_, i) => Math.sin(i));

/** Two batches of four images. */
function trainData(change: (batch: TrainBatch) => object = () => ({}), batches = 2): TrainLoader {
  const of = (place: number): TrainBatch => {
    const indices = Int32Array.from({ length: 4 }, (_, i) => 4 * place + i);
    return { pixels: pixels(4), indices, labels: indices.map((index) => index % 3) };
  };
  return {
    name: 'own',
    length: 8,
    classNames: NAMES,
    describe: (i) => `image ${i}`,
    batchesPerEpoch: () => 2,
    async *batches() {
      for (let place = 0; place < batches; place++) yield { ...of(place), ...change(of(place)) };
    },
    close: async () => {},
  };
}

function valData({
  classNames = NAMES,
  given = 3,
}: {
  classNames?: string[];
  given?: number;
} = {}): EvalLoader {
  return {
    name: 'val',
    length: 3,
    classNames,
    labels: [0, 1, 2],
    describe: (i) => `image ${i}`,
    async *batches() {
      yield { pixels: pixels(given), indices: Int32Array.from({ length: given }, (_, i) => i), failures: [] };
    },
    close: async () => {},
  };
}

interface Parts {
  numClasses?: number;
  data?: TrainLoader;
  val?: EvalLoader;
}

async function train(
  on: string,
  { numClasses = 3, data = trainData(), val = valData() }: Parts,
): Promise<number> {
  const config = resolveTrainConfig({
    data: { path: '-' },
    val: { path: '-' },
    output: '-',
    schedule: { epochs: 1, warmupEpochs: 0 },
    mix: { mixup: 0, cutmix: 0 },
    batchSize: 4,
  });
  const model = createModel({ ...shape, numClasses });
  const student = studentOf(model, config.train);
  const engine = on === 'the engine' ? await openTrainingEngine(student, config, 1) : undefined;
  try {
    const trainer = new Trainer({
      config,
      student,
      imgSize: [SIDE, SIDE],
      data,
      val,
      ...(engine && { engine }),
    });
    await trainer.run();
    trainer.dispose();
    return trainer.at.epoch;
  } finally {
    engine?.dispose();
    model.dispose();
  }
}

const cases: [what: string, parts: () => Parts, message: string | RegExp][] = [
  ['more classes than the data has', () => ({ numClasses: 10 }), 'own: has 3 classes, and the student 10;'],
  ['fewer', () => ({ numClasses: 2 }), 'own: has 3 classes, and the student 2;'],
  ['one, which any target would fit', () => ({ numClasses: 1 }), 'own: has 3 classes, and the student 1;'],
  [
    'a label that is no class',
    () => ({
      data: trainData(({ labels }) => ({ labels: labels.map((label, i) => (i === 2 ? 5 : label)) })),
    }),
    'own: batch 0 of epoch 0: labels should be class indices from 0 to 2, got 5',
  ],
  [
    'a label below 0',
    () => ({
      data: trainData(({ labels }) => ({ labels: labels.map((label, i) => (i === 1 ? -1 : label)) })),
    }),
    'own: batch 0 of epoch 0: labels should be class indices from 0 to 2, got -1',
  ],
  [
    'too few pixels',
    () => ({ data: trainData(() => ({ pixels: pixels(3) })) }),
    'pixels should be a Float32Array of [4, 8, 8, 3], got 576 numbers',
  ],
  [
    'too few labels',
    () => ({ data: trainData(({ labels }) => ({ labels: labels.slice(1) })) }),
    'labels should be 4 class indices, got 3 numbers',
  ],
  [
    'an epoch that ends early',
    () => ({ data: trainData(undefined, 1) }),
    'own ended at batch 1 of epoch 0; its batchesPerEpoch says 2',
  ],
  [
    'classes in another order',
    () => ({ val: valData({ classNames: ['b', 'a', 'c'] }) }),
    'val: its class 0 is "b", that of own "a"',
  ],
  [
    'a class less',
    () => ({ val: valData({ classNames: ['a', 'b'] }) }),
    'val: its class 2 is none, that of own "c"',
  ],
  [
    'fewer images than are promised',
    () => ({ val: valData({ given: 2 }) }),
    'val: gives 2 images, and promises 3',
  ],
];

test.each(['tfjs', 'the engine'])('parts that fit train on %s', async (on) => {
  expect(await train(on, {})).toBe(1);
});

test.each(
  cases.flatMap(([what, parts, message]) =>
    ['tfjs', 'the engine'].map((on) => ({ what, on, parts, message })),
  ),
)('$what, on $on', async ({ on, parts, message }) => {
  await expect(train(on, parts())).rejects.toThrow(message);
  await expect(train(on, parts())).rejects.toHaveProperty('name', 'UserError');
});

const convnet = (activation?: 'softmax') =>
  tfl.sequential({
    layers: [
      tfl.layers.flatten({ inputShape: [SIDE, SIDE, 3] }),
      tfl.layers.dense({ units: 3, ...(activation && { activation }) }),
    ],
  });

test('a student that ends in softmax is refused: the loss takes the softmax of logits', () => {
  expect(() => studentOfLayersModel(convnet('softmax'))).toThrow(
    /ends in softmax, and a student ends in logits/,
  );
  const layer = tfl.sequential({ layers: [...convnet().layers, tfl.layers.softmax()] });
  expect(() => studentOfLayersModel(layer)).toThrow(/ends in softmax/);
  expect(studentOfLayersModel(convnet()).trainable).toHaveLength(2);
});

test('a teacher that answers with probabilities is known by them', async () => {
  const answers = await Promise.all(
    [convnet('softmax'), convnet()].map((model) =>
      givesProbabilities(teacherOfLayersModel(model), [SIDE, SIDE]),
    ),
  );
  expect(answers).toEqual([true, false]);
});
