import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { convert } from '../../converters/convert.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { useBackend } from '../../src/backend.js';
import { weightSpecs } from '../../src/families/vit/weights.js';
import { unregisterWasmKernels } from '../../src/kernels/wasm/index.js';
import { buildModel } from '../../src/models/create.js';
import { assignWeights } from '../../src/models/weights.js';
import { initialEma, updateEma } from '../../src/train/ema.js';
import type { Distillation } from '../../src/train/loss.js';
import { adamW } from '../../src/train/optimizer/index.js';
import { cosineWithWarmup, epochTime } from '../../src/train/schedule.js';
import { applyGradients, computeGradients, disposeGradients, initialState } from '../../src/train/step.js';
import { type Student, studentOf } from '../../src/train/student.js';
import '../../src/node/native/backend.js';
import { showNativeTensorflow, testedNativeFolder } from '../native.js';

showNativeTensorflow();

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

const steps = JSON.parse(readFileSync(new URL('steps.json', FIXTURES), 'utf8')) as {
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

async function openFixture(name: string) {
  const bytes = await readFile(new URL(`${name}.safetensors`, FIXTURES));
  return convert(await parseCheckpoint(new Uint8Array(bytes)), { numHeads: 2, imgSize: [8, 12] });
}

async function loadFixture() {
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

function batchOf(step: number) {
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

/** Largest difference of any weight from the fixture's. */
async function furthest(values: Record<string, tf.Tensor>, fixture: string): Promise<number> {
  const { config, readWeight } = await openFixture(fixture);
  let worst = 0;
  for (const { name } of weightSpecs(config)) {
    const expected = await readWeight(name);
    const got = values[name]?.dataSync() ?? new Float32Array(expected.length);
    expect(got.length).toBe(expected.length);
    expected.forEach((value, i) => {
      const off = Math.abs(value - got[i]!);
      if (!(off <= worst)) worst = off;
    });
  }
  return worst;
}

const weightsOf = (student: Student) =>
  Object.fromEntries([...student.weights].map(([name, weight]) => [name, weight.read()]));

const noSeed = () => {
  throw new Error('drop path is off');
};

const BACKENDS: Record<string, () => Promise<unknown>> = {
  'wasm with its kernels': () => useBackend('wasm'),
  'wasm with plain ops': async () => {
    await useBackend('wasm');
    await unregisterWasmKernels();
  },
  cpu: () => tf.setBackend('cpu'),
  ...(testedNativeFolder ? { 'native TensorFlow': () => useBackend('tensorflow') } : {}),
};

describe.each(Object.keys(BACKENDS))('training on %s as PyTorch does it', (backend) => {
  beforeAll(async () => {
    await BACKENDS[backend]!();
  });
  afterAll(() => tf.disposeVariables());

  test.each(['none', 'soft', 'hard'])('%s: gradients, losses, weights after 1 and 20 steps', async (name) => {
    const { type, alpha, tau, clip, ...expected } = steps.cases[name]!;
    const model = await loadFixture();
    const student = studentOf(model, { frozenBlocks: 0, attentionOnly: false });
    const optimizer = adamW(
      {
        beta1: 0.9,
        beta2: 0.999,
        eps: 1e-8,
        weightDecay: steps.weightDecay,
        clipGrad: clip,
      },
      student.decays,
    );
    const schedule = {
      duration: steps.epochs,
      lr: steps.lr,
      minLr: steps.minLr,
      warmup: steps.warmupEpochs,
      warmupLr: steps.warmupLr,
    };
    let state = initialState(optimizer, student);
    let ema = initialEma(student);
    const tensorsBefore = tf.memory().numTensors;
    for (let step = 0; step < steps.steps; step++) {
      const learningRate = cosineWithWarmup(schedule, epochTime(Math.floor(step / steps.stepsPerEpoch)));
      expect(learningRate).toBeCloseTo(expected.lr[step]!, 10);
      const batch = batchOf(step);
      const gradients = computeGradients(student, batch, { type, alpha, tau }, noSeed);
      const loss = (scalar: tf.Scalar) => scalar.dataSync()[0];
      const tolerance = step === 0 ? 1e-5 : 1e-3;
      expect(Math.abs(loss(gradients.total)! - expected.total[step]!)).toBeLessThan(tolerance);
      expect(Math.abs(loss(gradients.base)! - expected.base[step]!)).toBeLessThan(tolerance);
      if (type !== 'none') {
        expect(Math.abs(loss(gradients.teacher!)! - expected.teacher[step]!)).toBeLessThan(tolerance);
      }
      if (step === 0) {
        const off = await furthest(gradients.byWeight, `gradients.${name}`);
        expect(off).toBeLessThan(1e-5);
      }
      state = applyGradients(student, optimizer, gradients.byWeight, {
        state,
        count: step + 1,
        learningRate,
      });
      ema = updateEma(ema, student, steps.emaDecay);
      disposeGradients(gradients);
      tf.dispose(Object.values(batch));
      if (step === 0) {
        const off = await furthest(weightsOf(student), `step1.${name}`);
        expect(off).toBeLessThan(1e-5);
      }
    }
    const off = await furthest(weightsOf(student), `step20.${name}`);
    expect(off).toBeLessThan(1e-3);
    if (name === 'soft') expect(await furthest(ema, 'ema20.soft')).toBeLessThan(1e-3);
    expect(tf.memory().numTensors).toBe(tensorsBefore);
    model.dispose();
  });
});

test('the schedule of the recipe equals timm CosineLRScheduler at every epoch', () => {
  const schedule = { duration: 300, lr: 5e-4, minLr: 1e-5, warmup: 5, warmupLr: 1e-6 };
  const ours = steps.recipeSchedule.map((_, t) => cosineWithWarmup(schedule, t));
  ours.forEach((lr, t) => {
    expect(lr).toBeCloseTo(steps.recipeSchedule[t]!, 12);
  });
});
