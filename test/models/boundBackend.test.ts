/** A model stays on its backend, whatever else the process does: to the last bit the same as alone. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { convertRegnet } from '../../converters/convertRegnet.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { activate, addBackend, useBackend } from '../../src/backend.js';
import { onBackend, runningBackend } from '../../src/boundBackend.js';
import { createModel } from '../../src/models/create.js';
import type { DistilledVisionTransformer } from '../../src/models/distilledVisionTransformer.js';
import type { LoadOptions } from '../../src/models/load.js';
import { loadRegnet } from '../../src/models/regnet.js';
import type { VisionTransformer } from '../../src/models/visionTransformer.js';
import { load as loadFolder, saveModel } from '../../src/node/index.js';
import { computeGradients, disposeGradients } from '../../src/train/step.js';
import { studentOf } from '../../src/train/student.js';
import { fixture } from '../image/images.js';
import { showNativeTensorflow, testedNativeFolder } from '../native.js';

const SMALL = {
  embedDim: 32,
  depth: 2,
  numHeads: 2,
  numClasses: 5,
  patchSize: 8,
  imgSize: [32, 32],
} as const;
const folder = mkdtempSync(join(tmpdir(), 'deit-bound-'));
const image = {
  data: Uint8Array.from({ length: 40 * 36 * 3 }, (_, i) => (i * 37) % 256),
  width: 40,
  height: 36,
};

/** Ways in which the same model runs; their logits differ in the last bits, those of int8 in more. */
const ways: Record<string, LoadOptions> = {
  wasm: { backend: 'wasm' },
  'wasm, int8': { quantize: 'int8' },
  cpu: { backend: 'cpu' },
  ...(testedNativeFolder ? { tensorflow: { backend: 'tensorflow' } } : {}),
};
const models: Record<string, VisionTransformer> = {};

const load = (options: LoadOptions) => loadFolder(join(folder, 'model'), options);

beforeAll(async () => {
  showNativeTensorflow();
  addBackend('cpu', async () => `${(await activate('cpu')).name}: plain ops`);
  await useBackend('wasm');
  const model = createModel(SMALL, { distilled: true, seed: 3 });
  await saveModel(model, join(folder, 'model'));
  model.dispose();
});

afterAll(() => {
  for (const model of Object.values(models)) model.dispose();
  rmSync(folder, { recursive: true });
});

const input = () => {
  const values = Float32Array.from({ length: 32 * 32 * 3 }, (_, i) => Math.sin(i * 0.37));
  return tf.tensor4d(values, [1, 32, 32, 3]);
};

/** Everything that a model computes, as text that tells the last bit. */
async function everything(model: VisionTransformer): Promise<string> {
  const x = input();
  const { tokens, blocks, attention } = model.features(x, { blocks: true, attention: true });
  const outputs = [model.predict(x), tokens, ...blocks, ...attention];
  outputs.push(...(model as DistilledVisionTransformer).predictHeads(x));
  outputs.push(model.layersModel.predict(x) as tf.Tensor2D);
  const values = await Promise.all(outputs.map((output) => output.data()));
  tf.dispose([x, outputs]);
  const classes = await model.classify(image);
  const embedding = await model.embed(image);
  return JSON.stringify([values.map((each) => [...each]), classes, [...embedding.patchMean]]);
}

const alone: Record<string, string> = {};

describe.each(Object.keys(ways))('%s', (way) => {
  test('loads on its backend, which does not become the current one', async () => {
    const before = tf.getBackend();
    models[way] = await load(ways[way]!);
    expect(models[way].backend).toBe(way.split(',')[0]);
    expect(tf.getBackend()).toBe(before);
    alone[way] = await everything(models[way]);
  });
});

test('the ways differ, so that a model on another’s backend is seen', () => {
  expect(new Set(Object.values(alone)).size).toBe(Object.keys(ways).length);
});

test.each(['wasm', 'cpu'])('side by side, with %s current: the same bits', async (current) => {
  await tf.setBackend(current);
  for (let i = 0; i < 2; i++) {
    for (const [way, model] of Object.entries(models)) {
      expect({ way, values: await everything(model) }).toEqual({ way, values: alone[way] });
    }
  }
  expect(tf.getBackend()).toBe(current);
  await tf.setBackend('wasm');
});

test('calls under way at the same time, and a change of the current backend among them: the same bits', async () => {
  const calls = Object.entries(models).flatMap(([way, model]) => [
    everything(model).then((values) => expect(values).toBe(alone[way])),
    model.classify(image).then(() => tf.setBackend(way === 'cpu' ? 'wasm' : 'cpu')),
    everything(model).then((values) => expect(values).toBe(alone[way])),
  ]);
  await Promise.all(calls);
  await tf.setBackend('wasm');
});

test('loads at the same time on several backends', async () => {
  const names = Object.keys(ways);
  const loaded = await Promise.all(names.map((way) => load(ways[way]!)));
  for (const [i, model] of loaded.entries()) {
    expect(await everything(model)).toBe(alone[names[i]!]);
    model.dispose();
  }
});

test('a backend of the application that is still starting disturbs nobody, and starts', async () => {
  let start!: () => void;
  const started = new Promise<void>((resolve) => {
    start = resolve;
  });
  const cpu = tf.findBackendFactory('cpu') as () => tf.KernelBackend;
  tf.registerBackend('late', async () => {
    await started;
    return cpu();
  });
  const pending = tf.setBackend('late');
  expect(() => tf.backend()).toThrow(/has not yet been initialized/);
  const x = onBackend(runningBackend('wasm')!, input);
  const expected = models.wasm!.predict(x);
  expect([...expected.dataSync()]).toEqual(JSON.parse(alone.wasm!)[0][0]);
  start();
  expect(await pending).toBe(true);
  expect(tf.getBackend()).toBe('late');
  await tf.setBackend('wasm');
  tf.removeBackend('late');
  tf.dispose([x, expected]);
});

test('two WASM backends in one process, whose kernels tfjs keeps once: the same bits', async () => {
  tf.registerBackend('twin', tf.findBackendFactory('wasm') as () => tf.KernelBackend);
  tf.copyRegisteredKernels('wasm', 'twin');
  await useBackend('wasm');
  const model = createModel(SMALL, { seed: 9 });
  const x = input();
  const expected = [...model.predict(x).dataSync()];
  const twin = onBackend(await activate('twin'), () => createModel(SMALL, { seed: 9 }));
  expect(twin.backend).toBe('twin');
  for (const current of ['wasm', 'twin', 'cpu']) {
    await tf.setBackend(current);
    expect([...model.predict(x).dataSync()]).toEqual(expected);
    expect([...twin.predict(x).dataSync()]).toEqual(expected);
    expect([...tf.neg(x).dataSync()]).toEqual([...input().dataSync()].map((value) => -value));
  }
  await tf.setBackend('wasm');
  model.dispose();
  twin.dispose();
  tf.removeBackend('twin');
});

test('fit() runs on the model’s backend, its validation too, beside inference on others', async () => {
  const train = async (current: string) => {
    await tf.setBackend('wasm');
    const model = createModel(SMALL, { seed: 5 });
    model.layersModel.compile({ optimizer: tf.train.adam(1e-3), loss: 'meanSquaredError' });
    await tf.setBackend(current);
    const [x, y] = [
      tf.randomNormal([8, 32, 32, 3], 0, 1, 'float32', 7),
      tf.randomNormal([8, 5], 0, 1, 'float32', 8),
    ];
    const fit = model.layersModel.fit(x, y, {
      epochs: 2,
      batchSize: 4,
      shuffle: false,
      validationData: [x, y],
    });
    const beside = Promise.all([models.cpu!.classify(image), models.wasm!.classify(image)]);
    const { history } = await fit;
    await beside;
    const logits = model.predict(x);
    const values = [...(await logits.data())];
    tf.dispose([x, y, logits]);
    model.dispose();
    return { history, values };
  };
  // Random numbers come from the CPU on either backend.
  expect(await train('cpu')).toEqual(await train('wasm'));
  await tf.setBackend('wasm');
});

test('a step of training runs on the student’s backend', async () => {
  const gradients = async (current: string) => {
    await tf.setBackend('wasm');
    const model = createModel(SMALL, { seed: 5 });
    const student = studentOf(model, { frozenBlocks: 0, attentionOnly: false });
    const images = input();
    const targets = tf.tensor2d([0, 1, 0, 0, 0], [1, 5]);
    await tf.setBackend(current);
    const found = computeGradients(student, { images, targets }, { type: 'none', alpha: 0, tau: 1 }, () => 1);
    const values = Object.fromEntries(
      Object.entries(found.byWeight).map(([name, gradient]) => [name, [...gradient.dataSync()]]),
    );
    disposeGradients(found);
    tf.dispose([images, targets]);
    model.dispose();
    return values;
  };
  expect(await gradients('cpu')).toEqual(await gradients('wasm'));
  await tf.setBackend('wasm');
});

test('a RegNet stays where it was loaded', async () => {
  const [file] = readdirSync(fixture('regnet')).filter((name) => /\.(pth|safetensors)$/.test(name));
  const checkpoint = await parseCheckpoint(new Uint8Array(readFileSync(fixture(`regnet/${file}`))));
  const x = tf.randomNormal([1, 32, 32, 3], 0, 1, 'float32', 4) as tf.Tensor4D;
  const logits = { cpu: [] as number[], wasm: [] as number[] };
  for (const backend of ['cpu', 'wasm'] as const) {
    await tf.setBackend(backend);
    const model = await loadRegnet(convertRegnet(checkpoint));
    expect(model.backend).toBe(backend);
    logits[backend] = [...model.predict(x).dataSync()];
    for (const current of ['wasm', 'cpu']) {
      await tf.setBackend(current);
      expect([...model.predict(x).dataSync()]).toEqual(logits[backend]);
    }
    model.dispose();
    model.dispose();
    expect(() => model.predict(x)).toThrow(/disposed of; load it again$/);
  }
  expect(logits.cpu).not.toEqual(logits.wasm);
  await tf.setBackend('wasm');
  x.dispose();
});

test('a removed backend, and a model that was disposed of, are clear errors', async () => {
  const factory = tf.findBackendFactory('cpu');
  await tf.setBackend('cpu');
  const model = createModel(SMALL);
  await tf.setBackend('wasm');
  tf.removeBackend('cpu');
  tf.registerBackend('cpu', factory);
  await activate('cpu');
  const x = input();
  const message = 'the cpu backend on which the model was loaded has been removed; load the model again';
  expect(() => model.predict(x)).toThrow(message);
  await expect(model.classify(image)).rejects.toThrow(message);
  model.dispose();
  expect(() => models.wasm!.predict(x).dispose()).not.toThrow();
  models.wasm!.dispose();
  models.wasm!.dispose();
  const disposed = 'vit: the model was disposed of; load it again';
  expect(() => models.wasm!.predict(x)).toThrow(disposed);
  expect(() => models.wasm!.features(x)).toThrow(disposed);
  await expect(models.wasm!.classify(image)).rejects.toThrow(disposed);
  x.dispose();
});

test('layersModel.dispose() before dispose() is no error', () => {
  const model = createModel({ ...SMALL, depth: 1 });
  model.layersModel.dispose();
  expect(() => model.dispose()).not.toThrow();
});
