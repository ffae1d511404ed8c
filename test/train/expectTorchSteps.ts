import { expect } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { TrainConfig } from '../../src/train/config.js';
import { EngineSteps } from '../../src/train/engineSteps.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import { cosineWithWarmup, epochTime } from '../../src/train/schedule.js';
import type { StepEngine } from '../../src/train/stepEngine.js';
import { type Student, studentOf } from '../../src/train/student.js';
import type { TrainSetup } from '../../src/train/trainer.js';
import { ALL, noSeed, teacherThatSays } from './engineRuns.js';
import { batchOf, DATA, furthest, loadFixture, schedule, steps } from './torchSteps.js';

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
