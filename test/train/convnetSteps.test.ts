/** Steps of convnets on the training engine against PyTorch's (test/fixtures/make_convnet_steps.py). */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import * as tfl from '@tensorflow/tfjs-layers';
import { useBackend } from '../../src/backend.js';
import { LayerNorm } from '../../src/families/layers/index.js';
import { regnetLayers } from '../../src/models/regnet.js';
import { setWeight } from '../../src/models/weights.js';
import { compileOptimized, startNodeWorker } from '../../src/node/wasmEngine.js';
import { EngineSteps } from '../../src/train/engineSteps.js';
import { openLayersEngine } from '../../src/train/layersEngine.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';
import { studentOfLayersModel } from '../../src/train/student.js';
import type { TrainSetup } from '../../src/train/trainer.js';
import type { EngineMachine } from '../../src/train/vitEngine.js';
import { fixture } from '../image/images.js';
import { largestOf, relativeOff } from './engineRuns.js';

type Layer = tfl.layers.Layer;

interface Case {
  size: [number, number];
  losses: number[];
  /** Each weight was around + scale · numbers. */
  formulas: [around: number, scale: number][];
  /** Null for running statistics. */
  gradients: (number[] | null)[];
  weights: number[][];
  config?: { stemWidth: number; width: number; groupWidth: number; squeeze: [number, number] };
}

const reference = JSON.parse(readFileSync(fixture('train/convnets.json'), 'utf8')) as {
  batch: number;
  steps: number;
  classes: number;
  lr: number;
  weightDecay: number;
  eps: number;
  cases: Record<string, Case>;
};
const { batch, steps, classes, lr, weightDecay, eps } = reference;

const MACHINES: Record<string, EngineMachine> = {
  'two threads': { threads: 2, startWorker: startNodeWorker, compile: compileOptimized },
  'the calling thread': { threads: 1 },
  'no fused multiply-add': { threads: 3, startWorker: startNodeWorker, simd: 'simd' },
};

beforeAll(() => useBackend('wasm'));

/** The script's formula: numbers in [-1, 1). */
function numbers(count: number, seed: number): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, i) => (((i + 1) * (7919 + 2 * seed) + seed * 104729) % 1009) / 504.5 - 1,
  );
}

/** Layers in the order in which the script makes their weights. */
class Stack {
  readonly layers: Layer[] = [];
  readonly inputs: tfl.SymbolicTensor;
  value: tfl.SymbolicTensor;

  constructor(height: number, width: number) {
    this.inputs = tfl.input({ shape: [height, width, 3] });
    this.value = this.inputs;
  }

  add(layer: Layer, x: tfl.SymbolicTensor | tfl.SymbolicTensor[] = this.value): this {
    this.value = layer.apply(x) as tfl.SymbolicTensor;
    this.layers.push(layer);
    return this;
  }

  end(): { model: tfl.LayersModel; layers: Layer[] } {
    this.add(tfl.layers.dense({ units: classes }));
    return { model: tfl.model({ inputs: this.inputs, outputs: this.value }), layers: this.layers };
  }
}

const MODELS: Record<string, (given: Case) => { model: tfl.LayersModel; layers: Layer[] }> = {
  LayerNorms: ({ size }) => {
    const stack = new Stack(...size);
    for (const [filters, kernelSize, strides] of [
      [10, 5, 2],
      [18, 3, 1],
    ] as const) {
      stack
        .add(tfl.layers.conv2d({ filters, kernelSize, strides, padding: 'same', useBias: false }))
        .add(new LayerNorm({ epsilon: 1e-5 }))
        .add(tfl.layers.reLU());
    }
    return stack.add(tfl.layers.flatten()).end();
  },
  BatchNorms: ({ size }) => {
    const stack = new Stack(...size);
    const norm = (momentum: number) => tfl.layers.batchNormalization({ epsilon: 1e-3, momentum });
    stack.add(tfl.layers.conv2d({ filters: 20, kernelSize: [3, 2], activation: 'relu' })).add(norm(0.9));
    stack.add(tfl.layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }));
    const shortcut = stack.value;
    stack.add(tfl.layers.depthwiseConv2d({ kernelSize: 3, padding: 'same' }));
    return stack
      .add(tfl.layers.add(), [stack.value, shortcut])
      .add(norm(0.7))
      .add(tfl.layers.activation({ activation: 'sigmoid' }))
      .add(tfl.layers.depthwiseConv2d({ kernelSize: 3, strides: 2, useBias: false }))
      .add(tfl.layers.conv2d({ filters: 17, kernelSize: 1, strides: 2 }))
      .add(tfl.layers.globalAveragePooling2d({ dataFormat: 'channelsLast' }))
      .end();
  },
  RegNet: ({ size, config }) => {
    const { stemWidth, width, groupWidth, squeeze } = config!;
    const stages = [{ depth: 2, width, groupWidth, squeeze }];
    const model = regnetLayers({ name: 'regnet', imgSize: size, numClasses: classes, stemWidth, stages });
    return { model, layers: model.layers };
  },
};

describe.each(Object.entries(MACHINES))('as PyTorch trains it, by %s', (_name, machine) => {
  test.each(Object.keys(MODELS))('%s: gradients, losses, weights after five steps', async (name) => {
    const given = reference.cases[name]!;
    const { model, layers } = MODELS[name]!(given);
    const weights = layers.flatMap((layer) => layer.weights);
    expect(weights).toHaveLength(given.formulas.length);
    for (const [i, [around, scale]] of given.formulas.entries()) {
      const values = numbers(given.weights[i]!.length, 10 + i).map((value) => around + scale * value);
      setWeight(weights[i]!, values);
    }
    const student = studentOfLayersModel(model);
    const config = resolveTrainConfig({
      data: { format: 'folder', path: 'none' },
      val: { format: 'folder', path: 'none' },
      optimizer: { weightDecay, eps, clipGrad: null },
      distillation: { type: 'none' },
      emaDecay: null,
      output: 'none',
    });
    const engine = await openLayersEngine(student, { ema: false, imgSize: given.size }, machine);
    const setup = { config, student, imgSize: given.size } as unknown as TrainSetup;
    const runner = new EngineSteps(setup, engine);
    const nameOf = (i: number) => weights[i]!.originalName;
    for (let step = 0; step < steps; step++) {
      const targets = new Float32Array(batch * classes);
      for (let i = 0; i < batch; i++) targets[i * classes + ((3 * i + step) % classes)] = 1;
      const pixels = numbers(batch * given.size[0] * given.size[1] * 3, step);
      const { loss } = await runner.add({
        pixels,
        targets,
        count: batch,
        teacher: undefined,
        dropPathSeed: () => 0,
      });
      expect(Math.abs(loss - given.losses[step]!)).toBeLessThan(step === 0 ? 1e-5 : 1e-4);
      if (step === 0) {
        const most = Math.max(...given.gradients.map((values) => (values ? largestOf(values) : 0)));
        for (const [i, gradient] of given.gradients.entries()) {
          if (!gradient) continue;
          // A bias whose effect a batch norm takes away has a gradient of rounding errors.
          const difference = relativeOff(engine.read('gradients', nameOf(i)), gradient, most / 100);
          expect([nameOf(i), difference < 2e-5 ? 'equal' : difference]).toEqual([nameOf(i), 'equal']);
        }
      }
      await runner.gradientNorm();
      await runner.update({ count: step + 1, learningRate: lr });
    }
    runner.writeWeights();
    for (const [i, expected] of given.weights.entries()) {
      const difference = relativeOff(weights[i]!.read().dataSync<'float32'>(), expected, 0.01);
      expect([nameOf(i), difference < 1e-3 ? 'equal' : difference]).toEqual([nameOf(i), 'equal']);
    }
    engine.dispose();
    model.dispose();
  });
});
