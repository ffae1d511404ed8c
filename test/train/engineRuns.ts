/** What the tests of training's engines share: models, a teacher that is not asked, steps, gradients, and how far numbers are off. */
import * as tf from '@tensorflow/tfjs-core';
import type { VitConfig } from '../../src/families/vit/config.js';
import { createModel } from '../../src/models/create.js';
import { setWeight } from '../../src/models/weights.js';
import { logitGradients } from '../../src/train/logitGradients.js';
import { computeGradients, disposeGradients } from '../../src/train/step.js';
import type { StepEngine } from '../../src/train/stepEngine.js';
import type { StepRunner } from '../../src/train/stepRunner.js';
import { type Student, studentOf } from '../../src/train/student.js';
import { randomImages, randomWeights } from '../engines/wasm/models.js';

/** Everything learns. */
export const ALL = { frozenBlocks: 0, attentionOnly: false };

/** Steps with accumulation, clipping and a running mean. */
export const MIXED_STEPS = {
  // A large epsilon: gradients that are zero but for rounding would move weights by their sign.
  optimizer: { clipGrad: 0.5, weightDecay: 0.3, eps: 0.01 },
  distillation: { type: 'soft', alpha: 0.3, tau: 3, teacher: 'given' },
  accumulate: 2,
  emaDecay: 0.8,
} as const;

/** A model with weights in which no part is without effect; those of wide matrices are smaller, as trained ones are. */
export function modelOf(config: VitConfig) {
  const scale = Math.min(1, Math.sqrt(36 / config.embedDim));
  const model = createModel(config, { seed: 1 });
  const weights = randomWeights(config);
  const student = studentOf(model, ALL);
  for (const [name, weight] of student.weights) {
    const values = weights.get(name)!;
    setWeight(weight, weight.shape.length > 1 ? values.map((value) => value * scale) : values);
  }
  return model;
}

export function teacherThatSays(logits: tf.Tensor2D) {
  const teacher = {
    name: 'given',
    numClasses: 5,
    imgSize: null,
    labels: undefined,
    normalization: undefined,
  };
  return { ...teacher, predict: () => logits, dispose: () => {} };
}

export const noSeed = () => {
  throw new Error('drop path is off');
};

type Numbers = Float32Array | readonly number[];

export function largestOf(values: Numbers): number {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
}

/** @param least the least that counts as the largest */
export function relativeOff(found: Float32Array, expected: Numbers, least = 0): number {
  let most = 0;
  for (const [i, value] of expected.entries()) most = Math.max(most, Math.abs(value - found[i]!));
  return most / Math.max(largestOf(expected), least);
}

/** Images of bothGradients. */
export const BATCH = 3;

/** Gradients of a model whose loss is the mean cross entropy of some classes, on an engine and by tfjs. */
export async function bothGradients<E extends StepEngine>(
  config: VitConfig,
  openEngine: (student: Student) => Promise<E>,
  frozenBlocks = 0,
) {
  const model = modelOf(config);
  const student = studentOf(model, { ...ALL, frozenBlocks }, true);
  const pixels = randomImages(config, BATCH);
  const images = tf.tensor4d(pixels, [BATCH, ...config.imgSize, config.inChans]);
  const logits = model.predict(images).dataSync<'float32'>().slice();
  const width = logits.length / BATCH;
  const targets = new Float32Array(BATCH * width);
  for (let i = 0; i < BATCH; i++) targets[i * width + ((3 * i) % width)] = 1;
  const none = { type: 'none', alpha: 0, tau: 1 } as const;
  const found = computeGradients(
    student,
    { images, targets: tf.tensor2d(targets, [BATCH, width]) },
    none,
    noSeed,
  );
  const expected = new Map(
    Object.entries(found.byWeight).map(([name, gradient]) => [name, gradient.dataSync<'float32'>().slice()]),
  );
  disposeGradients(found);
  const engine = await openEngine(student);
  for (const [name, weight] of student.weights) {
    engine.write('weights', name, weight.read().dataSync<'float32'>());
  }
  await engine.gradients({
    images: pixels,
    batch: BATCH,
    dropPath: [],
    adds: false,
    lossGradient: (rows, first, count) => {
      const part = targets.subarray(first * width, (first + count) * width);
      return logitGradients({ logits: rows, width, targets: part, classes: width }, none, BATCH).gradient;
    },
  });
  return { model, student, engine, expected, pixels, logits };
}

/** Step `number` (from 1) of two batches under MIXED_STEPS; gives their losses and the norm of the gradients. */
export async function mixedStep(
  runner: StepRunner,
  config: VitConfig,
  number: number,
  classes: number,
): Promise<number[]> {
  const seen: number[] = [];
  for (let part = 0; part < 2; part++) {
    let seed = 100 * number + 10 * part;
    const count = 5;
    const given = Array.from({ length: classes * count }, (_, i) => Math.sin(i + number));
    const { loss } = await runner.add({
      pixels: randomImages(config, count).map((value) => value * (number + part)),
      targets: Float32Array.from({ length: classes * count }, (_, i) => (i % classes === number ? 1 : 0)),
      count,
      teacher: teacherThatSays(tf.tensor2d(given, [count, classes])),
      dropPathSeed: () => seed++,
    });
    seen.push(loss);
  }
  seen.push(await runner.gradientNorm());
  await runner.update({ count: number, learningRate: 0.01 });
  return seen;
}

/** All that steps change, by its names. */
export async function tensorsOf(runner: StepRunner): Promise<Map<string, Float32Array>> {
  const tensors = new Map<string, Float32Array>();
  for (const { name, read } of runner.tensors()) tensors.set(name, await read());
  return tensors;
}
