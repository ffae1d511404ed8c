/**
 * What training.test.ts runs in a process of its own, as Dawn's library reads its environment when the process begins.
 * Arguments: SCENARIO or SCENARIO:ARGUMENT. Prints what they found as one line of JSON.
 */
import { rmSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import { createWebgpuTrainingEngine } from '../../../src/engines/webgpu/training/index.js';
import type { VitConfig } from '../../../src/families/vit/config.js';
import { forward, headLogits } from '../../../src/families/vit/forward.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { resolveConfig } from '../../../src/models/create.js';
import { openTrainingEngine, runTraining, useBackend } from '../../../src/node/index.js';
import { loadDawn } from '../../../src/node/webgpu/dawn.js';
import { EngineSteps } from '../../../src/train/engineSteps.js';
import { logitGradients } from '../../../src/train/logitGradients.js';
import { resolveTrainConfig } from '../../../src/train/resolveConfig.js';
import type { StepEngine } from '../../../src/train/stepEngine.js';
import { type Student, studentOf, studentOfLayersModel } from '../../../src/train/student.js';
import type { TrainSetup } from '../../../src/train/trainer.js';
import { openWebgpuTraining } from '../../../src/webgpuTraining.js';
import { CONFIGS, configOf, randomImages } from '../../engines/wasm/models.js';
import {
  ALL,
  largestOf,
  MIXED_STEPS,
  mixedStep,
  modelOf,
  relativeOff,
  tensorsOf,
} from '../../train/engineRuns.js';
import { followTorch } from '../../train/followTorch.js';
import { attempt } from './attempt.js';

const DATA = {
  data: { format: 'folder', path: 'none' },
  val: { format: 'folder', path: 'none' },
  output: 'none',
} as const;
const NONE = { type: 'none', alpha: 0, tau: 1 } as const;
/** The shape of PyTorch's fixture, with what it has not. */
const TINY = { imgSize: [8, 12], embedDim: 8, numHeads: 2, numClasses: 5, distilled: true } as const;

const EXTRA: Record<string, Partial<VitConfig>> = {
  tiny: TINY,
  // Products in large tiles, whose sums are cut; attention of several workgroups; norms of several quads a lane.
  wide: { embedDim: 256, numHeads: 4, depth: 1, distilled: true },
  // Nothing is a multiple of four.
  odd: {
    embedDim: 35,
    numHeads: 5,
    mlpRatio: 2.2,
    numClasses: 7,
    depth: 1,
    swiglu: true,
    qkNorm: true,
    registers: 2,
    pool: 'token_mean',
  },
  // One query an image, shaders shared with other scenarios.
  pooled: { ...TINY, distilled: false, pool: 'map', classToken: false, depth: 1 },
  // The same of several workgroups, and no multiples of four.
  oddPooled: {
    imgSize: [32, 36],
    embedDim: 35,
    numHeads: 5,
    depth: 1,
    pool: 'map',
    classToken: false,
    registers: 2,
    swiglu: true,
    patchBias: false,
  },
};

/** Gradients and answers of a model on a backend's engine. */
async function gradientsOf(config: VitConfig, backend: string, frozenBlocks: number) {
  const batch = config.embedDim > 200 ? 8 : 3;
  await useBackend(backend);
  const model = modelOf(config);
  const student = studentOf(model, { ...ALL, frozenBlocks }, true);
  const run = { distillation: NONE, emaDecay: null } as unknown as Parameters<typeof openTrainingEngine>[1];
  const engine: StepEngine = await openTrainingEngine(student, run, 1);
  // It hands the weights over.
  new EngineSteps({ config: { ...run }, student } as unknown as TrainSetup, engine);
  const pixels = randomImages(config, batch);
  const { width } = engine;
  const targets = Float32Array.from({ length: batch * width }, (_, at) => {
    return at % width === (3 * Math.floor(at / width)) % width ? 1 : 0;
  });
  await engine.gradients({
    images: pixels,
    batch,
    dropPath: [],
    adds: false,
    lossGradient: (logits, first, count) => {
      const rows = targets.subarray(first * width, (first + count) * width);
      return logitGradients({ logits, width, targets: rows, classes: width }, NONE, batch).gradient;
    },
  });
  const byName = new Map<string, Float32Array>();
  for (const name of engine.reached) byName.set(name, await engine.read('gradients', name));
  const norm = await engine.gradientNorm();
  const answers = await engine.predict(pixels, batch);
  engine.dispose();
  model.dispose();
  return { byName, norm, answers };
}

/** How far the GPU's gradients are from those on WASM, by model: the worst weight of each. */
async function gradients(names: string, frozenBlocks = 0) {
  const found = [];
  for (const name of names.split('|')) {
    const config = configOf(EXTRA[name] ?? CONFIGS[name]!);
    const gpu = await gradientsOf(config, 'webgpu', frozenBlocks);
    const wasm = await gradientsOf(config, 'wasm', frozenBlocks);
    const largest = Math.max(...[...wasm.byName.values()].map(largestOf));
    const offs = [...wasm.byName].map(([weight, expected]) => {
      // A shift of all keys alters nothing: its gradient is zero but for rounding.
      const least = weight.endsWith('k_norm.beta') ? largest : 0;
      return { weight, off: relativeOff(gpu.byName.get(weight) ?? new Float32Array(), expected, least) };
    });
    const worst = offs.reduce((most, each) => (each.off <= most.off ? most : each));
    found.push({
      name,
      ...worst,
      weights: [gpu.byName.size, wasm.byName.size],
      norm: Math.abs(gpu.norm / wasm.norm - 1),
      answers: relativeOff(gpu.answers, wasm.answers),
    });
  }
  return found;
}

/** PyTorch's steps: how far losses, gradients, weights and their running mean are from its own. */
async function torch(name: string) {
  await useBackend('webgpu');
  return followTorch(name, openTrainingEngine);
}

/** With what else a step may have. */
const MIXED = { ...TINY, dropPathRate: 0.4, layerScale: 0.3 };

/** Steps with drop path, accumulation, clipping and a running mean: how far what they changed is from that on WASM. */
async function mixed() {
  const shape = configOf(MIXED);
  const config = resolveTrainConfig({
    ...DATA,
    ...MIXED_STEPS,
  });
  const train = async (backend: string) => {
    await useBackend(backend);
    const model = modelOf(shape);
    const student = studentOf(model, ALL);
    const engine = await openTrainingEngine(student, config, 1);
    const setup = { config, student, imgSize: shape.imgSize } as unknown as TrainSetup;
    const runner = new EngineSteps(setup, engine);
    const losses: number[] = [];
    for (let number = 1; number <= 4; number++) losses.push(...(await mixedStep(runner, shape, number, 5)));
    const tensors = await tensorsOf(runner);
    const images = randomImages(shape, 2);
    const before = await engine.predict(images, 2);
    const ofMean = await runner.withEma(() => engine.predict(images, 2));
    const after = await engine.predict(images, 2);
    engine.dispose();
    model.dispose();
    return {
      losses,
      tensors,
      ofMean,
      changed: relativeOff(before, ofMean),
      back: relativeOff(after, before),
    };
  };
  const wasm = await train('wasm');
  const gpu = await train('webgpu');
  return {
    names: String([...gpu.tensors.keys()]) === String([...wasm.tensors.keys()]),
    losses: Math.max(...wasm.losses.map((loss, i) => Math.abs(loss - gpu.losses[i]!))),
    tensors: Math.max(
      ...[...wasm.tensors].map(([name, values]) => relativeOff(gpu.tensors.get(name)!, values)),
    ),
    ofMean: relativeOff(gpu.ofMean, wasm.ofMean),
    changed: gpu.changed,
    back: gpu.back,
  };
}

/** A model that the engine does not take, and a batch that goes through in parts. */
async function limits() {
  await useBackend('webgpu');
  const config = configOf({ ...TINY, depth: 1 });
  const model = modelOf(config);
  const open = (student: Student, options: object = {}) =>
    openWebgpuTraining(student, { distillation: 'none', ema: false }, options);
  const refused = await attempt(() => open(studentOfLayersModel(model.layersModel)));
  const images = randomImages(config, 5);
  const inParts = async (keptBytes?: number) => {
    const engine = await open(studentOf(model, ALL, true), { keptBytes });
    engine.exchange!.take(studentOf(model, ALL));
    const seen: number[] = [];
    await engine.gradients({
      images,
      batch: 5,
      dropPath: [],
      adds: false,
      lossGradient: (logits, first) => {
        seen.push(first);
        return logits.map((value) => value / 5);
      },
    });
    const gradients = [];
    for (const name of engine.reached) gradients.push(...(await engine.read('gradients', name)));
    const answers = await engine.predict(images, 5);
    engine.dispose();
    return { seen, gradients: Float32Array.from(gradients), answers };
  };
  const whole = await inParts();
  const again = await inParts();
  const parts = await inParts(3e4);
  return {
    refused,
    seen: [whole.seen, parts.seen],
    again: relativeOff(again.gradients, whole.gradients),
    gradients: relativeOff(parts.gradients, whole.gradients),
    answers: relativeOff(parts.answers, whole.answers),
  };
}

/** A device that goes away between two steps. */
async function lost() {
  await useBackend('webgpu');
  const config = configOf({});
  const model = modelOf(config);
  const student = studentOf(model, ALL);
  const engine = await openWebgpuTraining(student, { distillation: 'none', ema: false });
  engine.exchange!.take(student);
  const { device } = tf.engine().registry.webgpu as tf.KernelBackend & { device: GPUDevice };
  device.destroy();
  const gone = await attempt(() => engine.predict(randomImages(config, 1), 1));
  const given = await attempt(() => engine.exchange!.give(student));
  return { gone, given };
}

/** A run whose GPU goes away in its third step, and goes on from its checkpoint on WASM. */
async function run(folder: string) {
  const given = {
    model: { imgSize: 8, patchSize: 4, embedDim: 8, depth: 2, numHeads: 2, distilled: true, dropPathRate: 0 },
    data: { format: 'folder', path: 'examples/digits/val' },
    val: { format: 'folder', path: 'examples/digits/val' },
    augment: { randomResizedCrop: null, randAugment: null, colorJitter: 0, randomErasing: 0, repeats: 1 },
    schedule: { epochs: 1, warmupEpochs: 0 },
    batchSize: 100,
    workers: 0,
    saveEverySteps: 1,
    output: folder,
  } as const;
  const notes: string[] = [];
  const losses: number[][] = [];
  const train = async (backend: string, resume: boolean, end: number) => {
    await useBackend(backend);
    const seen: number[] = [];
    losses.push(seen);
    return runTraining(resolveTrainConfig(given as never), {
      resume,
      onNote: (note) => void notes.push(note),
      onStep: ({ step, loss }) => {
        seen.push(loss);
        if (step !== end) return;
        const { device } = tf.engine().registry.webgpu as tf.KernelBackend & { device: GPUDevice };
        device.destroy();
      },
    });
  };
  const gone = await attempt(() => train('webgpu', false, 2));
  const { end, steps: count } = await train('wasm', true, 0);
  rmSync(folder, { recursive: true });
  const { end: wholeEnd } = await train('wasm', false, 0);
  return {
    gone,
    end,
    wholeEnd,
    count,
    losses,
    computes: notes.filter((note) => /^(computes|goes on)/.test(note)),
  };
}

/** What is said of a device with 512 MB, which Dawn's null backend is: it computes nothing. */
async function memory() {
  const dawn = await loadDawn();
  const gpu = dawn.create(['backend=null']);
  const complaints: string[] = [];
  const open = async (name: string) => {
    const adapter = (await gpu.requestAdapter())!;
    const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
    const requiredLimits = { maxStorageBufferBindingSize, maxBufferSize };
    const device = await adapter.requestDevice({ requiredLimits });
    device.addEventListener('uncapturederror', ({ error }) => void complaints.push(error.message));
    const config = resolveConfig(name);
    const weights = weightSpecs(config);
    return createWebgpuTrainingEngine({
      device,
      name: 'nothing',
      forward: (ops, images) => headLogits(ops, config, images),
      predict: (ops, images) => forward(ops, config, images),
      weights,
      trainable: new Set(weights.map((row) => row.name)),
      inputShape: [...config.imgSize, config.inChans],
      ema: false,
    });
  };
  const base = await attempt(() => open('deit_base_patch16_224'));
  const tiny = await open('deit_tiny_patch16_224');
  const seen: number[] = [];
  const step = (batch: number) =>
    tiny.gradients({
      images: new Float32Array(batch * 224 * 224 * 3),
      batch,
      dropPath: [],
      adds: false,
      lossGradient: (logits, _first, count) => {
        seen.push(count);
        return logits;
      },
    });
  await step(48);
  await step(8);
  await tiny.gradientNorm();
  tiny.dispose();
  (globalThis as { kept?: unknown }).kept = gpu;
  return { base, seen, complaints };
}

const scenarios: Record<string, (argument: string) => Promise<unknown>> = {
  gradients: (names) => gradients(names),
  frozen: (names) => gradients(names, 1),
  torch,
  mixed,
  limits,
  lost,
  run,
  memory,
};
// One after the other: what is compiled once serves all.
const found: Record<string, unknown> = {};
for (const asked of process.argv.slice(2)) {
  const [scenario = '', argument = ''] = asked.split(':');
  const start = performance.now();
  found[asked] = await scenarios[scenario]!(argument);
  console.error(`${asked}: ${Math.round(performance.now() - start)} ms`);
}
console.log(JSON.stringify(found));
process.exit(0); // Dawn holds the process
