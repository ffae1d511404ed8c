/** A thread of the training engine that dies in a step: an error in one line, nothing hangs, the last snapshot goes on. */
import { beforeAll, expect, test } from '@jest/globals';
import { useBackend } from '../../src/backend.js';
import type { EvalLoader, TrainLoader } from '../../src/data/loader.js';
import type { EngineWorker } from '../../src/engines/wasm/index.js';
import { UserError } from '../../src/errors.js';
import { createModel } from '../../src/models/create.js';
import { startNodeWorker } from '../../src/node/wasmEngine.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import type { Snapshot } from '../../src/train/snapshot.js';
import { studentOf } from '../../src/train/student.js';
import { Trainer } from '../../src/train/trainer.js';
import { openVitEngine } from '../../src/train/vitEngine.js';

const SIDE = 32;
const BATCH = 8;
const STEPS = 4;
/** The step in which threads die. */
const FATAL = 3;

beforeAll(() => useBackend('wasm'));

const common = {
  name: 'waves',
  length: STEPS * BATCH,
  classNames: ['a', 'b'],
  describe: (index: number) => `wave ${index}`,
  close: async () => {},
};
const data: TrainLoader = {
  ...common,
  batchesPerEpoch: () => STEPS,
  async *batches(_epoch, { start }) {
    for (let at = start; at < STEPS; at++) yield batchOf(at);
  },
};
const val: EvalLoader = {
  ...common,
  labels: Array.from({ length: common.length }, (_, i) => i % 2),
  async *batches() {
    for (let at = 0; at < STEPS; at++) yield batchOf(at);
  },
};

function batchOf(at: number) {
  const indices = Int32Array.from({ length: BATCH }, (_, i) => at * BATCH + i);
  const pixels = Float32Array.from({ length: BATCH * SIDE * SIDE * 3 }, (_, i) => Math.sin(i * (at + 1)));
  return { pixels, labels: indices.map((index) => index % 2), indices };
}

const config = resolveTrainConfig({
  data: { format: 'folder', path: 'none' },
  val: { format: 'folder', path: 'none' },
  mix: { mixup: 0, cutmix: 0 },
  optimizer: { lr: 1e-3, lrBatch: null },
  schedule: { epochs: 1, warmupEpochs: 0 },
  batchSize: BATCH,
  evalBatchSize: BATCH,
  saveEverySteps: 1,
  output: 'none',
});

type Program = 'the backward pass' | 'the update' | 'the forward pass';

/**
 * A run of which all threads are ended in a program of step FATAL; without `dies` a whole one.
 *
 * @param from a snapshot to go on from
 */
async function run(dies?: Program, from?: Snapshot) {
  const model = createModel(
    { imgSize: [SIDE, SIDE], patchSize: 8, embedDim: 48, depth: 2, numHeads: 2, numClasses: 2 },
    { seed: 1 },
  );
  const student = studentOf(model, { frozenBlocks: 0, attentionOnly: false });
  const workers: EngineWorker[] = [];
  const startWorker = (source: string) => {
    workers.push(startNodeWorker(source));
    return workers.at(-1)!;
  };
  const engine = await openVitEngine(
    student,
    { distillation: 'none', ema: config.emaDecay !== null },
    { threads: 2, startWorker },
  );
  let step = 0;
  const ends: Promise<void>[] = [];
  const endThreads = () => {
    for (const worker of workers) {
      const hear = worker.onerror;
      const end = new Promise<void>((resolve) => {
        worker.onerror = (event) => {
          hear?.(event);
          resolve();
        };
      });
      ends.push(end);
      worker.terminate();
    }
  };
  /** In the midst of a program that is about to begin: before any message of a thread can be heard. */
  const endThreadsSoon = async () => {
    for (let turn = 0; turn < 6; turn++) await undefined;
    endThreads();
    for (const worker of workers) worker.onerror?.(new Error('ended'));
  };
  const dying: typeof engine = {
    ...engine,
    gradients: async (batch) => {
      step += 1;
      const fatal = step === FATAL ? dies : undefined;
      await engine.gradients({
        ...batch,
        meanwhile: () => {
          if (fatal === 'the forward pass') endThreads();
          batch.meanwhile?.();
        },
        lossGradient: async (...rows) => {
          // Else they might end in the backward pass.
          if (fatal === 'the forward pass') await Promise.all(ends);
          const gradient = await batch.lossGradient(...rows);
          if (fatal === 'the backward pass') void endThreadsSoon();
          return gradient;
        },
      });
    },
    update: async (numbers) => {
      const ended = engine.update(numbers);
      if (step === FATAL && dies === 'the update') void endThreadsSoon();
      await ended;
    },
  };
  const trainer = new Trainer({ config, student, engine: dying, imgSize: [SIDE, SIDE], data, val });
  if (from) trainer.restore(from);
  let saved: Snapshot | undefined;
  let error: unknown;
  try {
    const save = async (snapshot: Snapshot) => {
      saved = snapshot;
    };
    await trainer.run({ save });
  } catch (reason) {
    error = reason;
  }
  const tensors = saved ? [...saved.tensors].map(([name, { values }]) => [name, values] as const) : [];
  trainer.dispose();
  engine.dispose();
  model.dispose();
  return { saved, error, tensors: new Map(tensors) };
}

test.each([
  'the backward pass',
  'the update',
] as const)('threads that die in %s end the run in one line; its last snapshot goes on to the same bits', async (program) => {
  const whole = await run();
  expect(whole.error).toBeUndefined();
  const broken = await run(program);
  expect(broken.error).toBeInstanceOf(UserError);
  const { message } = broken.error as UserError;
  expect(message).toBe('a thread of the training engine died in a step: go on from the last checkpoint');
  // What is saved is of the step before, not of half a step.
  expect(broken.saved!.position.step).toBe(FATAL - 1);
  const resumed = await run(undefined, broken.saved);
  expect(resumed.error).toBeUndefined();
  expect(resumed.tensors).toEqual(whole.tensors);
}, 60_000);

test('threads that die in the forward pass are done without: nothing of it was kept', async () => {
  const whole = await run();
  const broken = await run('the forward pass');
  expect(broken.error).toBeUndefined();
  expect(broken.tensors).toEqual(whole.tensors);
}, 60_000);
