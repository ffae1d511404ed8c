/** What PyTorch made of steps of training, for the tests that make them again. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { convert } from '../../converters/convert.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { weightSpecs } from '../../src/families/vit/weights.js';
import { buildModel } from '../../src/models/create.js';
import { assignWeights } from '../../src/models/weights.js';
import type { TrainConfig } from '../../src/train/config.js';
import { EngineSteps } from '../../src/train/engineSteps.js';
import type { Distillation } from '../../src/train/loss.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import { cosineWithWarmup, epochTime } from '../../src/train/schedule.js';
import type { StepEngine } from '../../src/train/stepEngine.js';
import { type Student, studentOf } from '../../src/train/student.js';
import type { TrainSetup } from '../../src/train/trainer.js';
import { ALL, noSeed, teacherThatSays } from './engineRuns.js';

/** test/fixtures/make_train_step.py: a tiny distilled model trained by PyTorch as facebookresearch/deit does it. */
const FIXTURES = new URL('../../../test/fixtures/train/', import.meta.url);

interface Case {
  type: Distillation['type'];
  alpha: number;
  tau: number;
  clip: number | null;
  lr: number[];
  total: number[];
  base: number[];
  teacher: number[];
}

export const steps = JSON.parse(readFileSync(new URL('steps.json', FIXTURES), 'utf8')) as {
  batch: number;
  steps: number;
  stepsPerEpoch: number;
  lr: number;
  warmupLr: number;
  minLr: number;
  warmupEpochs: number;
  epochs: number;
  weightDecay: number;
  emaDecay: number;
  cases: Record<string, Case>;
  recipeSchedule: number[];
};

/** Of those steps. */
export const schedule = {
  duration: steps.epochs,
  lr: steps.lr,
  minLr: steps.minLr,
  warmup: steps.warmupEpochs,
  warmupLr: steps.warmupLr,
};

export async function openFixture(name: string) {
  const bytes = await readFile(new URL(`${name}.safetensors`, FIXTURES));
  return convert(await parseCheckpoint(new Uint8Array(bytes)), { numHeads: 2, imgSize: [8, 12] });
}

export async function loadFixture() {
  const { config, readWeight, preprocessing } = await openFixture('initial');
  const model = buildModel(config, { preprocessing });
  await assignWeights(model.layersModel, readWeight);
  return model;
}

/** The script's formula: numbers in [-1, 1). */
function numbers(count: number, seed: number): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, i) => (((i + 1) * (7919 + 2 * seed) + seed * 104729) % 1009) / 504.5 - 1,
  );
}

export function batchOf(step: number) {
  const smoothed = (label: number, c: number) => (c === label ? 0.9 : 0) + 0.02;
  const label = (i: number) => (3 * i + step) % 5;
  const targets = Array.from({ length: 4 }, (_, i) =>
    Array.from({ length: 5 }, (_, c) => 0.7 * smoothed(label(i), c) + 0.3 * smoothed(label(3 - i), c)),
  );
  return {
    images: tf.tensor4d(numbers(4 * 8 * 12 * 3, step), [4, 8, 12, 3]),
    targets: tf.tensor2d(targets),
    teacherLogits: tf.tensor2d(
      numbers(20, 1000 + step).map((value) => 4 * value),
      [4, 5],
    ),
  };
}

/** Largest difference of any weight from the fixture's; a weight that `read` has nothing of counts as zeros. */
export async function furthest(
  read: (name: string) => ArrayLike<number> | undefined,
  fixture: string,
): Promise<number> {
  const { config, readWeight } = await openFixture(fixture);
  let worst = 0;
  for (const { name } of weightSpecs(config)) {
    const expected = await readWeight(name);
    const got = read(name) ?? new Float32Array(expected.length);
    if (got.length !== expected.length) throw new Error(`${name}: ${got.length} values`);
    expected.forEach((value, i) => {
      const off = Math.abs(value - got[i]!);
      if (!(off <= worst)) worst = off;
    });
  }
  return worst;
}

/** What a configuration needs that reads no data. */
export const DATA = {
  data: { format: 'folder', path: 'none' },
  val: { format: 'folder', path: 'none' },
  output: 'none',
} as const;

/** Makes the steps of a case on an engine, and expects PyTorch's losses, gradients, weights and running mean. */
export async function expectTorchSteps(
  name: string,
  openEngine: (student: Student, config: TrainConfig) => Promise<StepEngine>,
): Promise<void> {
  const { type, alpha, tau, clip, ...expected } = steps.cases[name]!;
  const model = await loadFixture();
  const student = studentOf(model, ALL);
  const { weightDecay, emaDecay } = steps;
  const config = resolveTrainConfig({
    ...DATA,
    optimizer: { weightDecay, clipGrad: clip },
    distillation: { type, alpha, tau, ...(type === 'none' ? {} : { teacher: 'given' }) },
    emaDecay,
  });
  const engine = await openEngine(student, config);
  const runner = new EngineSteps({ config, student, imgSize: [8, 12] } as unknown as TrainSetup, engine);
  const held = (buffer: 'weights' | 'gradients' | 'ema') => (weight: string) =>
    buffer === 'gradients' && !engine.reached.has(weight)
      ? undefined
      : (engine.read(buffer, weight) as Float32Array);
  for (let step = 0; step < steps.steps; step++) {
    const learningRate = cosineWithWarmup(schedule, epochTime(Math.floor(step / steps.stepsPerEpoch)));
    const { images, targets, teacherLogits } = batchOf(step);
    const losses = await runner.add({
      pixels: images.dataSync<'float32'>(),
      targets: targets.dataSync<'float32'>(),
      count: 4,
      teacher: type === 'none' ? undefined : teacherThatSays(teacherLogits),
      dropPathSeed: noSeed,
    });
    tf.dispose([images, targets]);
    const tolerance = step === 0 ? 1e-5 : 1e-3;
    expect(Math.abs(losses.loss - expected.total[step]!)).toBeLessThan(tolerance);
    expect(Math.abs(losses.base - expected.base[step]!)).toBeLessThan(tolerance);
    if (type !== 'none') {
      expect(Math.abs(losses.teacher! - expected.teacher[step]!)).toBeLessThan(tolerance);
    }
    if (step === 0) expect(await furthest(held('gradients'), `gradients.${name}`)).toBeLessThan(1e-5);
    await runner.gradientNorm();
    await runner.update({ count: step + 1, learningRate });
    if (step === 0) expect(await furthest(held('weights'), `step1.${name}`)).toBeLessThan(1e-5);
  }
  expect(await furthest(held('weights'), `step20.${name}`)).toBeLessThan(1e-3);
  if (name === 'soft') expect(await furthest(held('ema'), 'ema20.soft')).toBeLessThan(1e-3);
  runner.writeWeights();
  const own = (weight: string) => student.weights.get(weight)!.read().dataSync();
  expect(await furthest(own, `step20.${name}`)).toBeLessThan(1e-3);
  engine.dispose();
  model.dispose();
}
