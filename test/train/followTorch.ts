import * as tf from '@tensorflow/tfjs-core';
import type { BufferName } from '../../src/engines/wasm/training/index.js';
import type { TrainConfig } from '../../src/train/config.js';
import { EngineSteps } from '../../src/train/engineSteps.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import { cosineWithWarmup, epochTime } from '../../src/train/schedule.js';
import type { StepEngine } from '../../src/train/stepEngine.js';
import { type Student, studentOf } from '../../src/train/student.js';
import type { TrainSetup } from '../../src/train/trainer.js';
import { ALL, noSeed, teacherThatSays } from './engineRuns.js';
import { batchOf, DATA, furthest, loadFixture, schedule, steps } from './torchSteps.js';

/** How far an engine's steps are from PyTorch's, at most. */
export interface OffTorch {
  /** The losses of the first step, and of all. */
  readonly firstLoss: number;
  readonly losses: number;
  /** Relative to the largest value of a tensor: after the first step, after the last, and the weights given back. */
  readonly gradients: number;
  readonly step1: number;
  readonly step20: number;
  readonly student: number;
  /** The running mean, of the case `soft` alone. */
  readonly ema20?: number;
}

/** Makes the steps of a case on an engine. Nothing of jest: programs of their own run it too. */
export async function followTorch(
  name: string,
  openEngine: (student: Student, config: TrainConfig) => Promise<StepEngine>,
): Promise<OffTorch> {
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
  const far = async (buffer: BufferName, fixture: string) => {
    const values = new Map<string, Float32Array>();
    for (const weight of buffer === 'gradients' ? engine.reached : student.weights.keys()) {
      values.set(weight, await engine.read(buffer, weight));
    }
    return furthest((weight) => values.get(weight), fixture);
  };
  const losses: number[] = [];
  let [gradients, step1] = [Number.NaN, Number.NaN];
  for (let step = 0; step < steps.steps; step++) {
    const learningRate = cosineWithWarmup(schedule, epochTime(Math.floor(step / steps.stepsPerEpoch)));
    const { images, targets, teacherLogits } = batchOf(step);
    const { loss, base, teacher } = await runner.add({
      pixels: await images.data<'float32'>(),
      targets: await targets.data<'float32'>(),
      count: 4,
      teacher: type === 'none' ? undefined : teacherThatSays(teacherLogits),
      dropPathSeed: noSeed,
    });
    tf.dispose([images, targets]);
    losses.push(
      Math.abs(loss - expected.total[step]!),
      Math.abs(base - expected.base[step]!),
      type === 'none' ? 0 : Math.abs(teacher! - expected.teacher[step]!),
    );
    if (step === 0) gradients = await far('gradients', `gradients.${name}`);
    await runner.gradientNorm();
    await runner.update({ count: step + 1, learningRate });
    if (step === 0) step1 = await far('weights', `step1.${name}`);
  }
  const step20 = await far('weights', `step20.${name}`);
  const ema20 = name === 'soft' ? await far('ema', 'ema20.soft') : undefined;
  runner.writeWeights();
  const own = new Map<string, Float32Array>();
  for (const [weight, variable] of student.weights) {
    own.set(weight, Float32Array.from(await variable.read().data()));
  }
  const back = await furthest((weight) => own.get(weight), `step20.${name}`);
  engine.dispose();
  model.dispose();
  const [firstLoss, all] = [Math.max(...losses.slice(0, 3)), Math.max(...losses)];
  return { firstLoss, losses: all, gradients, step1, step20, student: back, ema20 };
}
