/** Convnets on the training engine: what PyTorch and tfjs compute, with the same bits for any number of threads. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { convertRegnet } from '../../converters/convertRegnet.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { type TrainingEngine, Untrainable } from '../../src/engines/wasm/training/index.js';
import { LayerNorm } from '../../src/families/layers/index.js';
import { loadRegnet } from '../../src/models/regnet.js';
import { setWeight } from '../../src/models/weights.js';
import { compileOptimized, startNodeWorker } from '../../src/node/wasmEngine.js';
import { openLayersAnswers, openLayersEngine } from '../../src/train/layersEngine.js';
import { logitGradients } from '../../src/train/logitGradients.js';
import { computeGradients, disposeGradients } from '../../src/train/step.js';
import { studentOfLayersModel } from '../../src/train/student.js';
import type { EngineMachine } from '../../src/train/vitEngine.js';
import { fixture } from '../image/images.js';
import { relativeOff } from './engineRuns.js';

const MACHINES: Record<string, EngineMachine> = {
  'three threads': { threads: 3, startWorker: startNodeWorker, compile: compileOptimized },
  'the calling thread': { threads: 1 },
  'no fused multiply-add': { threads: 2, startWorker: startNodeWorker, simd: 'simd' },
};
const BATCH = 5;
const NONE = { type: 'none', alpha: 0, tau: 1 } as const;

// tfjs has no gradients of depthwise convolutions and of max pooling on WASM.
beforeAll(() => tf.setBackend('cpu'));
afterAll(() => tf.disposeVariables());

type Layers = (x: tfl.SymbolicTensor) => tfl.SymbolicTensor;

/** The example's teacher in small, and what else convnets are built of; each with the size of its images. */
const MODELS: Record<string, { size: [number, number, number]; layers: Layers }> = {
  'convolutions with layer norms': {
    size: [13, 12, 3],
    layers: (x) => {
      let y = x;
      for (const [filters, kernelSize, strides] of [
        [16, 5, 2],
        [24, 3, 1],
        [32, 3, 2],
      ] as const) {
        y = tfl.layers
          .conv2d({ filters, kernelSize, strides, padding: 'same', useBias: false })
          .apply(y) as typeof y;
        y = new LayerNorm({ epsilon: 1e-5 }).apply(y) as typeof y;
        y = tfl.layers.reLU().apply(y) as typeof y;
      }
      return dense(tfl.layers.flatten().apply(y) as typeof y);
    },
  },
  'batch norms, depthwise and pooling': {
    size: [14, 15, 3],
    layers: (x) => {
      const norm = (options = {}) =>
        tfl.layers.batchNormalization({ epsilon: 1e-3, momentum: 0.9, ...options });
      let y = tfl.layers.conv2d({ filters: 20, kernelSize: [3, 2], activation: 'relu' }).apply(x) as typeof x;
      y = norm().apply(y) as typeof y;
      y = tfl.layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }).apply(y) as typeof y;
      const branch = tfl.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same', useBias: true }).apply(y);
      y = tfl.layers.add().apply([branch as typeof y, y]) as typeof y;
      y = norm({ momentum: 0.99 }).apply(y) as typeof y;
      y = tfl.layers.activation({ activation: 'sigmoid' }).apply(y) as typeof y;
      y = tfl.layers.depthwiseConv2d({ kernelSize: 3, strides: 2, useBias: false }).apply(y) as typeof y;
      y = tfl.layers.conv2d({ filters: 17, kernelSize: 1, strides: 2 }).apply(y) as typeof y;
      return dense(tfl.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }).apply(y) as typeof y);
    },
  },
  'a kernel as large as the image': {
    size: [6, 6, 3],
    layers: (x) => {
      let y = tfl.layers.layerNormalization({ epsilon: 1e-2 }).apply(x) as typeof x;
      y = tfl.layers.conv2d({ filters: 9, kernelSize: 6 }).apply(y) as typeof x;
      return dense(tfl.layers.flatten().apply(y) as typeof y);
    },
  },
};

function dense(x: tfl.SymbolicTensor): tfl.SymbolicTensor {
  return tfl.layers.dense({ units: 7 }).apply(x) as tfl.SymbolicTensor;
}

function modelOf(name: string): tfl.LayersModel {
  const { size, layers } = MODELS[name]!;
  const inputs = tfl.input({ shape: size });
  return withValues(tfl.model({ inputs, outputs: layers(inputs) }));
}

/** Weights in which no part is without effect. */
function withValues(model: tfl.LayersModel): tfl.LayersModel {
  for (const [w, weight] of model.weights.entries()) {
    const size = weight.shape.reduce<number>((product, length) => product * length!, 1);
    const wide = weight.shape.length > 1 ? 0.5 : 0.2;
    const around = /gamma|variance/.test(weight.originalName) ? 1 : 0;
    setWeight(
      weight,
      Float32Array.from({ length: size }, (_, i) => around + wide * Math.sin(1 + i * 1.7 + w * 31 + (i % 7))),
    );
  }
  return model;
}

async function regnet(file: string): Promise<tfl.LayersModel> {
  const bytes = await readFile(fixture(`regnet/${file}`));
  return (await loadRegnet(convertRegnet(await parseCheckpoint(new Uint8Array(bytes))))).layersModel;
}

function pixelsFor(size: readonly number[], batch = BATCH): Float32Array {
  const length = batch * size.reduce((product, side) => product * side, 1);
  return Float32Array.from({ length }, (_, i) => Math.sin(i * i * 0.37) + Math.cos(i * 0.011));
}

async function fill(engine: TrainingEngine, model: tfl.LayersModel): Promise<void> {
  for (const weight of model.weights) {
    engine.write('weights', weight.originalName, weight.read().dataSync<'float32'>());
  }
}

async function gradientsOf(engine: TrainingEngine, pixels: Float32Array, targets: Float32Array) {
  const { width } = engine;
  await engine.gradients({
    images: pixels,
    batch: BATCH,
    dropPath: [],
    adds: false,
    lossGradient: (logits, first, count) =>
      logitGradients(
        {
          logits,
          width,
          targets: targets.subarray(first * width, (first + count) * width),
          classes: width,
        },
        NONE,
        BATCH,
      ).gradient,
  });
}

function targetsOf(width: number): Float32Array {
  const targets = new Float32Array(BATCH * width);
  for (let i = 0; i < BATCH; i++) targets[i * width + ((3 * i) % width)] = 1;
  return targets;
}

/** Of numbers that are all but zero, how far they are off on the scale of 1e-6. */
const off = (found: Float32Array, expected: Float32Array, least = 1e-6) =>
  relativeOff(found, expected, least);

const bits = (engine: TrainingEngine) =>
  [...engine.reached, ...engine.running].map((name) => [
    name,
    [...new Uint32Array(engine.read(engine.running.has(name) ? 'weights' : 'gradients', name).buffer)],
  ]);

/** Gradients, running statistics and answers of a model, here and by tfjs; and the bits on any machine. */
async function compare(model: tfl.LayersModel, size: readonly [number, number, number]) {
  const student = studentOfLayersModel(model);
  const pixels = pixelsFor(size);
  const images = tf.tensor4d(pixels, [BATCH, ...size]);
  const answer = student.predict(images).dataSync<'float32'>();
  const targets = targetsOf(answer.length / BATCH);
  const options = { ema: false, imgSize: [size[0], size[1]] as const };
  const engines: TrainingEngine[] = [];
  for (const machine of Object.values(MACHINES)) {
    const engine = await openLayersEngine(student, options, machine);
    engines.push(engine);
    await fill(engine, model);
    expect(off(await engine.predict(pixels, BATCH), answer)).toBeLessThan(1e-5);
    await gradientsOf(engine, pixels, targets);
  }
  // Last: batch norms of tfjs move their running statistics in a step.
  const batch = { images, targets: tf.tensor2d(targets, [BATCH, answer.length / BATCH]) };
  const found = computeGradients(student, batch, NONE, () => 0);
  const [engine, alone] = engines as [TrainingEngine, TrainingEngine];
  expect([...engine.reached].sort()).toEqual(Object.keys(found.byWeight).sort());
  // A bias before a batch norm has no effect: its gradient is zero but for rounding.
  const largest = Math.max(
    ...Object.values(found.byWeight).map((gradient) =>
      tf.tidy(() => tf.max(tf.abs(gradient)).dataSync()[0]!),
    ),
  );
  for (const one of engines) {
    for (const [name, gradient] of Object.entries(found.byWeight)) {
      const difference = off(one.read('gradients', name), gradient.dataSync<'float32'>(), largest / 100);
      expect([name, difference < 2e-5 ? 'equal' : difference]).toEqual([name, 'equal']);
    }
    for (const name of engine.running) {
      const moved = student.weights.get(name)!.read().dataSync<'float32'>();
      expect([name, off(one.read('weights', name), moved) < 1e-5]).toEqual([name, true]);
    }
  }
  expect(bits(alone)).toEqual(bits(engine));
  disposeGradients(found);
  const { running } = engine;
  for (const one of engines) one.dispose();
  return running;
}

describe('gradients, answers and running statistics of tfjs', () => {
  test.each(Object.keys(MODELS))('%s', async (name) => {
    const model = modelOf(name);
    const running = await compare(model, MODELS[name]!.size);
    expect(running.size).toBe(name.startsWith('batch') ? 4 : 0);
    model.dispose();
  });
});

test.each(['regnetx.pth', 'regnety.pth'])('answers alone of a RegNet, %s: those of tfjs', async (file) => {
  const model = await regnet(file);
  const size = [18, 26, 3] as const;
  const pixels = pixelsFor(size);
  const expected = tf.tidy(() =>
    (model.apply(tf.tensor4d(pixels, [BATCH, ...size])) as tf.Tensor).dataSync(),
  );
  const engine = await openLayersAnswers(model, [18, 26], MACHINES['three threads']!);
  expect(off(await engine.predict(pixels, BATCH), expected as Float32Array)).toBeLessThan(1e-5);
  await expect(engine.gradientNorm()).rejects.toThrow('without weights that learn');
  engine.dispose();
  model.dispose();
});

test('a layer that the engine has not is named', async () => {
  const inputs = tfl.input({ shape: [8, 8, 3] });
  const y = tfl.layers.conv2d({ filters: 4, kernelSize: 3, dilationRate: 2, name: 'wide' }).apply(inputs);
  const model = tfl.model({ inputs, outputs: dense(tfl.layers.flatten().apply(y) as tfl.SymbolicTensor) });
  const open = () => openLayersEngine(studentOfLayersModel(model), { ema: false }, { threads: 1 });
  await expect(open()).rejects.toThrow(Untrainable);
  await expect(open()).rejects.toThrow('wide (Conv2D): dilation');
  model.dispose();
});

test('a batch norm is not taken over parts of a batch', async () => {
  const name = 'batch norms, depthwise and pooling';
  const model = modelOf(name);
  const engine = await openLayersEngine(
    studentOfLayersModel(model),
    { ema: false },
    { threads: 1, keptBytes: 1 },
  );
  await fill(engine, model);
  const width = 7;
  await expect(gradientsOf(engine, pixelsFor(MODELS[name]!.size), targetsOf(width))).rejects.toThrow(
    'batch norm needs the whole batch at once, and 5 images are more than the 1',
  );
  engine.dispose();
  model.dispose();
});
