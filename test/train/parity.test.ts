import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { useBackend } from '../../src/backend.js';
import { unregisterWasmKernels } from '../../src/kernels/wasm/index.js';
import { initialEma, updateEma } from '../../src/train/ema.js';
import { adamW } from '../../src/train/optimizer/index.js';
import { cosineWithWarmup, epochTime } from '../../src/train/schedule.js';
import { applyGradients, computeGradients, disposeGradients, initialState } from '../../src/train/step.js';
import { type Student, studentOf } from '../../src/train/student.js';
import '../../src/node/native/backend.js';
import { showNativeTensorflow, testedNativeFolder } from '../native.js';
import { noSeed } from './engineRuns.js';
import { batchOf, furthest, loadFixture, schedule, steps } from './torchSteps.js';

showNativeTensorflow();

const weightsOf = (student: Student) => (name: string) => student.weights.get(name)?.read().dataSync();
const valuesOf = (tensors: Record<string, tf.Tensor>) => (name: string) => tensors[name]?.dataSync();

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
        const off = await furthest(valuesOf(gradients.byWeight), `gradients.${name}`);
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
    if (name === 'soft') expect(await furthest(valuesOf(ema), 'ema20.soft')).toBeLessThan(1e-3);
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
