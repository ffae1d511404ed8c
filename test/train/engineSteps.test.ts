/** Training on the engine: what PyTorch and tfjs compute, with the same bits for any number of threads. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend.js';
import type { EngineWorker } from '../../src/engines/wasm/index.js';
import type { TrainingEngine } from '../../src/engines/wasm/training/index.js';
import { numTokens, type VitConfig } from '../../src/families/vit/config.js';
import { compileOptimized, startNodeWorker } from '../../src/node/wasmEngine.js';
import { EngineSteps } from '../../src/train/engineSteps.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import type { StepRunner } from '../../src/train/stepRunner.js';
import { type Student, studentOf } from '../../src/train/student.js';
import { TfjsSteps } from '../../src/train/tfjsSteps.js';
import type { TrainSetup } from '../../src/train/trainer.js';
import { type EngineMachine, openVitEngine } from '../../src/train/vitEngine.js';
import { CONFIGS, configOf, randomImages } from '../engines/wasm/models.js';
import {
  ALL,
  BATCH,
  bothGradients,
  largestOf,
  MIXED_STEPS,
  mixedStep,
  modelOf,
  relativeOff,
  tensorsOf,
} from './engineRuns.js';
import { expectTorchSteps } from './expectTorchSteps.js';
import { followTorch } from './followTorch.js';
import { DATA } from './torchSteps.js';

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
    const found = await followTorch(name, async (student, { distillation }) =>
      openVitEngine(student, { distillation: distillation.type, ema: true }, machine),
    );
    expectTorchSteps(name, found);
  });
});

const gradientsOn = (config: VitConfig, machine: EngineMachine, frozenBlocks?: number) =>
  bothGradients(
    config,
    (student) => openVitEngine(student, { distillation: 'none', ema: false }, machine),
    frozenBlocks,
  );

/** A model without blocks cannot be built with layers, which tfjs trains. */
const poolOrNone = ({ pool = 'token', depth }: Partial<VitConfig>) => (depth === 0 ? 'none' : pool);

const bits = (engine: TrainingEngine) =>
  [...engine.reached].map((name) => [...new Uint32Array(engine.read('gradients', name).buffer)]);

test.each(
  Object.keys(CONFIGS).filter((name) => poolOrNone(CONFIGS[name]!) !== 'none'),
)('%s: the gradients of tfjs, with the same bits on three threads', async (name) => {
  const config = configOf(CONFIGS[name]!);
  const three = { threads: 3, startWorker: startNodeWorker };
  const { engine, expected, model, pixels } = await gradientsOn(config, three);
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
  const alone = await gradientsOn(config, { threads: 1 });
  expect(bits(alone.engine)).toEqual(bits(engine));
  for (const one of [engine, alone.engine, model, alone.model]) one.dispose();
});

test('what is frozen has no gradient, and what stands before it costs none', async () => {
  const config = configOf({ depth: 3, distilled: true });
  const { engine, expected, model } = await gradientsOn(config, { threads: 1 }, 2);
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
    ...DATA,
    ...MIXED_STEPS,
  });

  /** Some steps, and all that they changed. */
  async function train(runnerOf: (student: Student, setup: TrainSetup) => StepRunner | Promise<StepRunner>) {
    const model = modelOf(shape);
    const student = studentOf(model, ALL);
    const setup = { config, student, imgSize: shape.imgSize } as unknown as TrainSetup;
    const runner = await runnerOf(student, setup);
    const losses: number[] = [];
    for (let number = 1; number <= 4; number++) losses.push(...(await mixedStep(runner, shape, number, 10)));
    const tensors = await tensorsOf(runner);
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
