/** Training as graphs on native TensorFlow: what PyTorch and tfjs compute. */
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../../src/backend.js';
import '../../../src/node/native/backend.js';
import { type BufferName, Untrainable } from '../../../src/engines/wasm/training/index.js';
import type { VitConfig } from '../../../src/families/vit/config.js';
import { loadTfjsNode } from '../../../src/node/native/tfjsNode.js';
import { createNativeTrainingEngine } from '../../../src/node/native/training/engine.js';
import { openNativeTraining } from '../../../src/node/native/training/index.js';
import { openTrainingEngine } from '../../../src/node/train/engine.js';
import { runTraining } from '../../../src/node/train/run.js';
import { FILES } from '../../../src/node/train/runFolder.js';
import { EngineSteps } from '../../../src/train/engineSteps.js';
import { resolveTrainConfig } from '../../../src/train/resolveConfig.js';
import type { StepEngine } from '../../../src/train/stepEngine.js';
import type { StepRunner } from '../../../src/train/stepRunner.js';
import { type Student, studentOf, studentOfLayersModel } from '../../../src/train/student.js';
import { TfjsSteps } from '../../../src/train/tfjsSteps.js';
import type { TrainSetup } from '../../../src/train/trainer.js';
import { vitTraining } from '../../../src/train/vitEngine.js';
import { CONFIGS, configOf, randomImages } from '../../engines/wasm/models.js';
import { showNativeTensorflow, testedNativeFolder } from '../../native.js';
import { until } from '../../reliability/until.js';
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
} from '../../train/engineRuns.js';
import { expectTorchSteps } from '../../train/expectTorchSteps.js';
import { followTorch } from '../../train/followTorch.js';
import { DATA } from '../../train/torchSteps.js';
import { writeDigits } from '../train/digitsFolder.js';

showNativeTensorflow();

const read = async (engine: StepEngine, buffer: BufferName, name: string) => engine.read(buffer, name);

/** A model without blocks cannot be built with layers, which tfjs trains. */
const trained = Object.keys(CONFIGS).filter((name) => CONFIGS[name]!.depth !== 0);

const gradientsOn = (config: VitConfig, frozenBlocks?: number) =>
  bothGradients(
    config,
    (student) => openNativeTraining(student, { distillation: 'none', ema: false }),
    frozenBlocks,
  );

(testedNativeFolder ? describe : describe.skip)('training as graphs', () => {
  beforeAll(() => useBackend('tensorflow'));
  afterAll(() => tf.disposeVariables());

  test.each([
    'none',
    'soft',
    'hard',
  ])('%s: PyTorch’s gradients, losses, weights after 1 and 20 steps', async (name) => {
    const found = await followTorch(name, async (student, config) => {
      const engine = await openTrainingEngine(student, config);
      expect(engine.description).toContain('TensorFlow');
      return engine;
    });
    expectTorchSteps(name, found);
  });

  test.each(trained)('%s: the gradients of tfjs, and the answers', async (name) => {
    const { engine, expected, model, pixels, logits } = await gradientsOn(configOf(CONFIGS[name]!));
    expect([...engine.reached].sort()).toEqual([...expected.keys()].sort());
    const largest = Math.max(...[...expected.values()].map(largestOf));
    for (const [weight, gradient] of expected) {
      // A shift of all keys alters nothing: its gradient is zero but for rounding.
      const least = weight.endsWith('k_norm.beta') ? largest : 0;
      const off = relativeOff(await read(engine, 'gradients', weight), gradient, least);
      expect([weight, off < 1e-5 ? 'equal' : off]).toEqual([weight, 'equal']);
    }
    expect(relativeOff(await engine.predict(pixels, BATCH), logits)).toBeLessThan(1e-5);
    engine.dispose();
    model.dispose();
  });

  test('what is frozen has no gradient', async () => {
    const config = configOf({ depth: 3, distilled: true });
    const { engine, expected, model } = await gradientsOn(config, 2);
    expect([...engine.reached].sort()).toEqual([...expected.keys()].sort());
    expect(engine.reached.has('blocks.1.mlp.fc2.kernel')).toBe(false);
    for (const [name, gradient] of expected) {
      expect(relativeOff(await read(engine, 'gradients', name), gradient)).toBeLessThan(1e-5);
    }
    engine.dispose();
    model.dispose();
  });

  describe('steps with drop path, accumulation, clipping and a running mean', () => {
    const shape = configOf({ distilled: true, dropPathRate: 0.4, layerScale: 0.3, depth: 3 });
    const config = resolveTrainConfig({ ...DATA, ...MIXED_STEPS });

    type Snapshot = Map<string, Float32Array>;

    /** Steps `from` … `to`, and all that they changed. */
    async function train(
      runnerOf: (student: Student, setup: TrainSetup) => StepRunner | Promise<StepRunner>,
      { from = 1, to = 4, snapshot }: { from?: number; to?: number; snapshot?: Snapshot } = {},
    ) {
      const model = modelOf(shape);
      const student = studentOf(model, ALL);
      const setup = { config, student, imgSize: shape.imgSize } as unknown as TrainSetup;
      const runner = await runnerOf(student, setup);
      if (snapshot) runner.restore((name) => snapshot.get(name)!);
      const seen: number[] = [];
      for (let number = from; number <= to; number++)
        seen.push(...(await mixedStep(runner, shape, number, 10)));
      const tensors = await tensorsOf(runner);
      runner.dispose();
      model.dispose();
      return { seen, tensors };
    }

    const asGraphs = (options?: Parameters<typeof train>[1]) => {
      let engine: StepEngine;
      return train(async (student, setup) => {
        engine = await openTrainingEngine(student, config);
        return new EngineSteps(setup, engine);
      }, options).finally(() => engine.dispose());
    };

    test('come to what tfjs comes to', async () => {
      const expected = await train((_student, setup) => new TfjsSteps(setup));
      const found = await asGraphs();
      expect([...found.tensors.keys()]).toEqual([...expected.tensors.keys()]);
      for (const [i, value] of expected.seen.entries()) expect(found.seen[i]).toBeCloseTo(value, 4);
      for (const [name, values] of expected.tensors) {
        expect([name, relativeOff(found.tensors.get(name)!, values) < 2e-3]).toEqual([name, true]);
      }
    });

    test('come to the same bits after a snapshot', async () => {
      const whole = await asGraphs();
      const { tensors: snapshot } = await asGraphs({ to: 2 });
      const rest = await asGraphs({ from: 3, snapshot });
      expect(rest.tensors).toEqual(whole.tensors);
      expect(rest.seen).toEqual(whole.seen.slice(6));
    });

    test('are evaluated with the running mean, and go on with the weights', async () => {
      const model = modelOf(shape);
      const student = studentOf(model, ALL);
      const engine = await openTrainingEngine(student, config);
      const setup = { config, student, imgSize: shape.imgSize } as unknown as TrainSetup;
      const runner = new EngineSteps(setup, engine);
      await mixedStep(runner, shape, 1, 10);
      const before = await tensorsOf(runner);
      const images = randomImages(shape, 2);
      const answer = await engine.predict(images, 2);
      const byMean = await runner.withEma(async () => {
        const name = 'blocks.0.attn.qkv.kernel';
        expect(engine.read('weights', name)).toEqual(before.get(`ema/${name}`));
        return engine.predict(images, 2);
      });
      expect(relativeOff(byMean, answer)).toBeGreaterThan(1e-3);
      expect(await tensorsOf(runner)).toEqual(before);
      expect(await engine.predict(images, 2)).toEqual(answer);
      engine.dispose();
      model.dispose();
    });
  });

  test('a batch goes through in parts, with the same gradients; one whose loss fails leaves nothing', async () => {
    const config = configOf({ depth: 1 });
    const model = modelOf(config);
    const student = studentOf(model, ALL, true);
    const images = randomImages(config, 4);
    const gradientsOf = async (keptBytes?: number) => {
      const engine = await openNativeTraining(student, { distillation: 'none', ema: false }, { keptBytes });
      for (const [name, weight] of student.weights) {
        engine.write('weights', name, weight.read().dataSync<'float32'>());
      }
      const given = { images, batch: 4, dropPath: [], adds: false };
      const failing = engine.gradients({
        ...given,
        // Others, so that what is left of them would show.
        images: images.map((value) => 2 * value),
        lossGradient: () => {
          throw new Error('no loss');
        },
      });
      await expect(failing).rejects.toThrow('no loss');
      const seen: number[] = [];
      await engine.gradients({
        ...given,
        lossGradient: (logits, first) => {
          seen.push(first);
          return logits.map((value) => value / 4);
        },
      });
      const gradients = new Map<string, Float32Array>();
      for (const name of engine.reached) gradients.set(name, await read(engine, 'gradients', name));
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

  test('leaves no tensors and no files, and says what it does not take', async () => {
    const config = configOf({ dropPathRate: 0.2 });
    const model = modelOf(config);
    const student = studentOf(model, ALL);
    const folders = async () => (await readdir(tmpdir())).filter((name) => name.startsWith('deit-graph-'));
    const [before, others] = [tf.memory().numTensors, await folders()];
    const engine = await openNativeTraining(student, { distillation: 'none', ema: true });
    for (const [name, weight] of student.weights) {
      engine.write('weights', name, weight.read().dataSync<'float32'>());
    }
    engine.copy('weights', 'ema', student.trainable);
    const dropPath = engine.dropRates.map(() => new Float32Array(2).fill(1));
    const images = randomImages(config, 2);
    await engine.gradients({ images, batch: 2, dropPath, adds: false, lossGradient: (logits) => logits });
    await engine.gradients({ images, batch: 2, dropPath, adds: true, lossGradient: (logits) => logits });
    expect(() => engine.write('weights', 'norm.gamma', new Float32Array(3))).toThrow(
      'norm.gamma: expected 24 values, got 3',
    );
    await expect(engine.predict(images, 3)).rejects.toThrow('for a batch of 3');
    await engine.predict(images, 2);
    await read(engine, 'ema', 'norm.gamma');
    engine.dispose();
    expect(tf.memory().numTensors).toBe(before);
    // Another program that loads a graph has a folder for a moment.
    const left = async () => (await folders()).filter((name) => !others.includes(name));
    await until(
      async () => (await left()).length === 0,
      () => 'a folder is left',
      20,
    );
    await expect(engine.gradientNorm()).rejects.toThrow('disposed of');
    const layers = studentOfLayersModel(model.layersModel as never);
    const run = { distillation: 'none', ema: false } as const;
    await expect(openNativeTraining(layers, run)).rejects.toThrow('a tf.LayersModel');
    model.dispose();
  });

  describe('TensorFlow that cannot', () => {
    /** An engine whose TensorFlow says `message` from the run of a number on. */
    async function failing(message: string, from: number) {
      const model = modelOf(configOf({ depth: 1 }));
      const student = studentOf(model, ALL, true);
      const { tfjsNode } = await loadTfjsNode();
      const backend = tfjsNode.backend();
      const sessions = new Set<number>();
      let runs = 0;
      const broken = {
        isUsingGpuDevice: false,
        binding: backend.binding,
        loadSavedModelMetaGraph(folder: string, tags: string) {
          const session = backend.loadSavedModelMetaGraph(folder, tags);
          sessions.add(session);
          return session;
        },
        runSavedModel(...given: Parameters<typeof backend.runSavedModel>) {
          if (++runs > from) throw new Error(message);
          return backend.runSavedModel(...given);
        },
        deleteSavedModel(session: number) {
          sessions.delete(session);
          backend.deleteSavedModel(session);
        },
      };
      const options = {
        ...vitTraining(student, { distillation: 'none', ema: false }),
        tfjsNode: { ...tfjsNode, backend: () => broken } as unknown as typeof tfjsNode,
        onBackend: student.onBackend,
      };
      return { model, sessions, open: () => createNativeTrainingEngine(options) };
    }

    test('run a step leaves training to another way, and nothing open', async () => {
      const { model, sessions, open } = await failing('no kernel of Stage\non this device', 1);
      const error = await open().catch((error: Error) => error);
      expect(error).toBeInstanceOf(Untrainable);
      expect((error as Error).message).toBe('a step of one image: TensorFlow says "no kernel of Stage"');
      expect(sessions.size).toBe(0);
      model.dispose();
    });

    test('hold a batch says what to do', async () => {
      // Zeros, and the pair of passes that is tried.
      const { model, open } = await failing('OOM when allocating tensor with shape[8]', 3);
      const engine = await open();
      await expect(engine.gradientNorm()).rejects.toThrow(
        "TensorFlow's memory is full: go on from the last checkpoint",
      );
      engine.dispose();
      model.dispose();
    });
  });

  describe('a run', () => {
    const train = async (fields: object) => {
      const digits = { format: 'mnist', path: await writeDigits(70, 20) };
      return resolveTrainConfig({
        model: { imgSize: 28, patchSize: 7, embedDim: 8, depth: 2, numHeads: 2, dropPathRate: 0.2 },
        data: digits,
        val: digits,
        optimizer: { lr: 2e-3, lrBatch: null, clipGrad: 1 },
        schedule: { epochs: 2, warmupEpochs: 1, per: 'step' },
        emaDecay: 0.9,
        batchSize: 8,
        accumulate: 2,
        workers: 0,
        seed: 3,
        output: await mkdtemp(join(tmpdir(), 'deit-run-')),
        ...fields,
      });
    };

    test('says what computes; stopped and resumed: every bit as unbroken', async () => {
      const whole = await train({});
      const notes: string[] = [];
      await runTraining(whole, { onNote: (line) => void notes.push(line) });
      expect(notes.join('\n')).toContain('computes: training as graphs, TensorFlow');
      const broken = await train({});
      let done = 0;
      const stop = { onStep: () => void done++, shouldStop: () => done >= 3 };
      expect(await runTraining(broken, stop)).toMatchObject({ end: 'stopped' });
      expect(await runTraining(broken, { resume: true })).toMatchObject({ end: 'done', steps: 8 });
      for (const name of ['last.safetensors', 'best.safetensors', FILES.metrics, FILES.checkpoint]) {
        const [a, b] = await Promise.all([whole, broken].map(({ output }) => readFile(join(output, name))));
        expect([name, a!.equals(b!)]).toEqual([name, true]);
      }
    });
  });
});
