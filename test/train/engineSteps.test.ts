/** Training on the engine: what PyTorch and tfjs compute, with the same bits for any number of threads. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend.js';
import type { EngineWorker } from '../../src/engines/wasm/index.js';
import type { TrainingEngine } from '../../src/engines/wasm/training/index.js';
import { numTokens, type VitConfig } from '../../src/families/vit/config.js';
import { compileOptimized, startNodeWorker } from '../../src/node/wasmEngine.js';
import { EngineSteps } from '../../src/train/engineSteps.js';
import { logitGradients } from '../../src/train/logitGradients.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import { cosineWithWarmup, epochTime } from '../../src/train/schedule.js';
import { computeGradients, disposeGradients } from '../../src/train/step.js';
import type { StepRunner } from '../../src/train/stepRunner.js';
import { type Student, studentOf } from '../../src/train/student.js';
import { TfjsSteps } from '../../src/train/tfjsSteps.js';
import type { TrainSetup } from '../../src/train/trainer.js';
import { type EngineMachine, openVitEngine } from '../../src/train/vitEngine.js';
import { CONFIGS, configOf, randomImages } from '../engines/wasm/models.js';
import { ALL, largestOf, MIXED_STEPS, modelOf, noSeed, relativeOff, teacherThatSays } from './engineRuns.js';
import { batchOf, furthest, loadFixture, schedule, steps } from './torchSteps.js';

const MACHINES: Record<string, EngineMachine> = {
  'two threads': { threads: 2, startWorker: startNodeWorker, compile: compileOptimized },
  'one thread': { threads: 1, startWorker: startNodeWorker },
  'the calling thread': { threads: 1 },
  'no fused multiply-add': { threads: 3, startWorker: startNodeWorker, simd: 'simd' },
};

beforeAll(() => useBackend('wasm'));
afterAll(() => tf.disposeVariables());

describe.each(Object.entries(MACHINES))('training as PyTorch does it, by %s', (_name, machine) => {
  test.each(['none', 'soft', 'hard'])('%s: gradients, losses, weights after 1 and 20 steps', async (name) => {
    const { type, alpha, tau, clip, ...expected } = steps.cases[name]!;
    const model = await loadFixture();
    const student = studentOf(model, ALL);
    const { weightDecay, emaDecay } = steps;
    const config = resolveTrainConfig({
      data: { format: 'folder', path: 'none' },
      val: { format: 'folder', path: 'none' },
      optimizer: { weightDecay, clipGrad: clip },
      distillation: { type, alpha, tau, ...(type === 'none' ? {} : { teacher: 'given' }) },
      emaDecay,
      output: 'none',
    });
    const engine = await openVitEngine(student, { distillation: type, ema: true }, machine);
    const runner = new EngineSteps({ config, student, imgSize: [8, 12] } as unknown as TrainSetup, engine);
    const held = (buffer: 'weights' | 'gradients' | 'ema') => (weight: string) =>
      buffer === 'gradients' && !engine.reached.has(weight) ? undefined : engine.read(buffer, weight);
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
  });
});

const BATCH = 3;

/** Gradients of a model whose loss is the mean cross entropy of some classes, here and by tfjs. */
async function bothGradients(config: VitConfig, machine: EngineMachine, frozenBlocks = 0) {
  const model = modelOf(config);
  const student = studentOf(model, { ...ALL, frozenBlocks }, true);
  const pixels = randomImages(config, BATCH);
  const width = model.predict(tf.tensor4d(pixels, [BATCH, ...config.imgSize, config.inChans])).shape[1];
  const targets = new Float32Array(BATCH * width);
  for (let i = 0; i < BATCH; i++) targets[i * width + ((3 * i) % width)] = 1;
  const batch = {
    images: tf.tensor4d(pixels, [BATCH, ...config.imgSize, config.inChans]),
    targets: tf.tensor2d(targets, [BATCH, width]),
  };
  const none = { type: 'none', alpha: 0, tau: 1 } as const;
  const found = computeGradients(student, batch, none, noSeed);
  const expected = new Map(
    Object.entries(found.byWeight).map(([name, gradient]) => [name, gradient.dataSync<'float32'>()]),
  );
  disposeGradients(found);
  const engine = await openVitEngine(student, { distillation: 'none', ema: false }, machine);
  for (const [name, weight] of student.weights) {
    engine.write('weights', name, weight.read().dataSync<'float32'>());
  }
  await engine.gradients({
    images: pixels,
    batch: BATCH,
    dropPath: [],
    adds: false,
    lossGradient: (logits, first, count) => {
      const rows = targets.subarray(first * width, (first + count) * width);
      return logitGradients({ logits, width, targets: rows, classes: width }, none, BATCH).gradient;
    },
  });
  return { model, student, engine, expected, pixels };
}

/** A model without blocks cannot be built with layers, which tfjs trains. */
const poolOrNone = ({ pool = 'token', depth }: Partial<VitConfig>) => (depth === 0 ? 'none' : pool);

const bits = (engine: TrainingEngine) =>
  [...engine.reached].map((name) => [...new Uint32Array(engine.read('gradients', name).buffer)]);

test.each(
  Object.keys(CONFIGS).filter((name) => poolOrNone(CONFIGS[name]!) !== 'none'),
)('%s: the gradients of tfjs, with the same bits on three threads', async (name) => {
  const config = configOf(CONFIGS[name]!);
  const three = { threads: 3, startWorker: startNodeWorker };
  const { engine, expected, model, pixels } = await bothGradients(config, three);
  expect([...engine.reached].sort()).toEqual([...expected.keys()].sort());
  const largest = Math.max(...[...expected.values()].map(largestOf));
  for (const [weight, gradient] of expected) {
    // A shift of all keys alters nothing: its gradient is zero but for rounding.
    const least = weight.endsWith('k_norm.beta') ? largest : 0;
    const off = relativeOff(engine.read('gradients', weight), gradient, least);
    expect([weight, off < 1e-5 ? 'equal' : off]).toEqual([weight, 'equal']);
  }
  const logits = model.predict(tf.tensor4d(pixels, [BATCH, ...config.imgSize, config.inChans]));
  expect(relativeOff(await engine.predict(pixels, BATCH), logits.dataSync<'float32'>())).toBeLessThan(1e-5);
  const alone = await bothGradients(config, { threads: 1 });
  expect(bits(alone.engine)).toEqual(bits(engine));
  for (const one of [engine, alone.engine, model, alone.model]) one.dispose();
});

test('what is frozen has no gradient, and what stands before it costs none', async () => {
  const config = configOf({ depth: 3, distilled: true });
  const { engine, expected, model } = await bothGradients(config, { threads: 1 }, 2);
  expect([...engine.reached].sort()).toEqual([...expected.keys()].sort());
  expect(engine.reached.has('blocks.1.mlp.fc2.kernel')).toBe(false);
  for (const [name, gradient] of expected) {
    expect(relativeOff(engine.read('gradients', name), gradient)).toBeLessThan(1e-5);
  }
  engine.dispose();
  model.dispose();
});

describe('steps with drop path, accumulation, clipping and a running mean', () => {
  const shape = configOf({ distilled: true, dropPathRate: 0.4, layerScale: 0.3, depth: 3 });
  const config = resolveTrainConfig({
    data: { format: 'folder', path: 'none' },
    val: { format: 'folder', path: 'none' },
    ...MIXED_STEPS,
    output: 'none',
  });

  /** Some steps, and all that they changed. */
  async function train(runnerOf: (student: Student, setup: TrainSetup) => StepRunner | Promise<StepRunner>) {
    const model = modelOf(shape);
    const student = studentOf(model, ALL);
    const setup = { config, student, imgSize: shape.imgSize } as unknown as TrainSetup;
    const runner = await runnerOf(student, setup);
    const losses: number[] = [];
    for (let step = 1; step <= 4; step++) {
      for (let part = 0; part < 2; part++) {
        let seed = 100 * step + 10 * part;
        const count = 5;
        const { loss } = await runner.add({
          pixels: randomImages(shape, count).map((value) => value * (step + part)),
          targets: Float32Array.from({ length: 10 * count }, (_, i) => (i % 10 === step ? 1 : 0)),
          count,
          teacher: teacherThatSays(
            tf.tensor2d(
              Array.from({ length: 10 * count }, (_, i) => Math.sin(i + step)),
              [count, 10],
            ),
          ),
          dropPathSeed: () => seed++,
        });
        losses.push(loss);
      }
      losses.push(await runner.gradientNorm());
      await runner.update({ count: step, learningRate: 0.01 });
    }
    const tensors = new Map<string, Float32Array>();
    for (const { name, read } of runner.tensors()) tensors.set(name, await read());
    runner.dispose();
    model.dispose();
    return { losses, tensors };
  }

  const onEngine = (machine: EngineMachine) => {
    let engine: TrainingEngine;
    return train(async (student, setup) => {
      engine = await openVitEngine(student, { distillation: 'soft', ema: true }, machine);
      return new EngineSteps(setup, engine);
    }).finally(() => engine.dispose());
  };

  test('come to what tfjs comes to', async () => {
    const expected = await train((_student, setup) => new TfjsSteps(setup));
    const found = await onEngine(MACHINES['two threads']!);
    expect([...found.tensors.keys()]).toEqual([...expected.tensors.keys()]);
    for (const [i, loss] of expected.losses.entries()) expect(found.losses[i]).toBeCloseTo(loss, 4);
    for (const [name, values] of expected.tensors) {
      expect([name, relativeOff(found.tensors.get(name)!, values) < 2e-3]).toEqual([name, true]);
    }
  });

  test('and to the same bits on any number of threads', async () => {
    const one = await onEngine(MACHINES['one thread']!);
    expect(await onEngine(MACHINES['two threads']!)).toEqual(one);
    expect(await onEngine({ threads: 5, startWorker: startNodeWorker })).toEqual(one);
  });
});

test('a batch that does not fit goes through in parts, with the same gradients', async () => {
  const config = configOf({ imgSize: [64, 64], embedDim: 24, depth: 1 });
  expect(numTokens(config)).toBe(257);
  const model = modelOf(config);
  const student = studentOf(model, ALL, true);
  const images = randomImages(config, 4);
  const gradientsOf = async (keptBytes?: number) => {
    const engine = await openVitEngine(
      student,
      { distillation: 'none', ema: false },
      { threads: 1, keptBytes },
    );
    for (const [name, weight] of student.weights) {
      engine.write('weights', name, weight.read().dataSync<'float32'>());
    }
    const seen: number[] = [];
    await engine.gradients({
      images,
      batch: 4,
      dropPath: [],
      adds: false,
      lossGradient: (logits, first) => {
        seen.push(first);
        return logits.map((value) => value / 4);
      },
    });
    const gradients = new Map([...engine.reached].map((name) => [name, engine.read('gradients', name)]));
    engine.dispose();
    return { seen, gradients };
  };
  const whole = await gradientsOf();
  const parts = await gradientsOf(1);
  expect([whole.seen, parts.seen]).toEqual([[0], [0, 1, 2, 3]]);
  for (const [name, values] of whole.gradients) {
    expect(relativeOff(parts.gradients.get(name)!, values)).toBeLessThan(1e-5);
  }
  model.dispose();
});

test('without the workers that it asked for, the calling thread trains', async () => {
  const model = modelOf(configOf({}));
  const student = studentOf(model, ALL);
  const images = randomImages(model.config, 2);
  const gradientsOf = async (machine: EngineMachine) => {
    const engine = await openVitEngine(student, { distillation: 'none', ema: false }, machine);
    for (const [name, weight] of student.weights) {
      engine.write('weights', name, weight.read().dataSync<'float32'>());
    }
    const batch = { images, batch: 2, dropPath: [], adds: false };
    await engine.gradients({ ...batch, lossGradient: (logits) => logits });
    const found = bits(engine);
    engine.dispose();
    return found;
  };
  const startDyingWorker = () => {
    const worker: EngineWorker = {
      onmessage: null,
      onerror: null,
      postMessage: () => void setTimeout(() => worker.onerror?.(new Error('no room'))),
      terminate: () => {},
    };
    return worker;
  };
  const expected = await gradientsOf({ threads: 1 });
  expect(await gradientsOf({ threads: 2, startWorker: startDyingWorker })).toEqual(expected);
  model.dispose();
});
