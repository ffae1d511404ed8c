/** Quantized models whole: loaded, stored, read by tfjs, on backends that multiply no codes, and freed. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeEach, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import * as tfl from '@tensorflow/tfjs-layers';
import { type Conversion, convert } from '../../converters/convert.js';
import { bytesSource, parseCheckpoint } from '../../converters/formats/index.js';
import { writeLayersModel } from '../../converters/write/layersModel.js';
import { useBackend } from '../../src/backend.js';
import { dequantize, quantize } from '../../src/families/vit/quantize.js';
import { weightSpecs } from '../../src/families/vit/weights.js';
import {
  countPackedWeights,
  registerWasmKernels,
  unregisterWasmKernels,
} from '../../src/kernels/wasm/index.js';
import { memoryOf, type WasmBackend } from '../../src/kernels/wasm/wasmBackend.js';
import { createModel } from '../../src/models/create.js';
import { openLayersModelFolder } from '../../src/models/layersModelFolder.js';
import { loadFrom } from '../../src/models/load.js';
import type { VisionTransformer } from '../../src/models/visionTransformer.js';
import { namedWeights } from '../../src/models/weights.js';
import { randomNormals, relativeError } from '../kernels/wasm/reference.js';

beforeEach(async () => {
  await unregisterWasmKernels();
  await useBackend('wasm');
});

afterAll(unregisterWasmKernels);

/** Digits of examples/digits by a trained, distilled model. */
async function digits(): Promise<Conversion> {
  const name = 'deit_digits_distilled.pth';
  return convert(await parseCheckpoint(bytesSource(readFileSync(`examples/digits/${name}`), name)));
}

function input({ imgSize: [height, width], inChans }: Conversion['config']): tf.Tensor4D {
  return tf.tensor4d(randomNormals(4 * height * width * inChans, 1), [4, height, width, inChans]);
}

function logits(model: VisionTransformer): Float32Array {
  const x = input(model.config);
  const y = model.predict(x);
  const values = y.dataSync().slice() as Float32Array;
  tf.dispose([x, y]);
  return values;
}

async function written(source: Conversion): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  const write = async (path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
    files.set(path, Buffer.concat(parts));
  };
  await writeLayersModel(source, { write });
  return files;
}

const bytesOf = (files: Map<string, Uint8Array>) =>
  [...files].reduce((sum, [path, bytes]) => sum + (path.endsWith('.bin') ? bytes.length : 0), 0);

test('a quantized model is near the float32 one, and what is not quantized is untouched', async () => {
  const source = await digits();
  const model = await loadFrom(source);
  const quantized = await loadFrom(source, { quantize: 'int8' });
  expect(quantized.config.quantization).toBe('int8');
  expect(relativeError(logits(quantized), logits(model))).toBeLessThan(0.03);
  const weights = namedWeights(quantized.layersModel);
  for (const { name, codes } of weightSpecs(quantized.config)) {
    if (codes || name.endsWith('.scale')) continue;
    expect(weights.get(name)!.read().dataSync()).toEqual(Float32Array.from(await source.readWeight(name)));
  }
  model.dispose();
  quantized.dispose();
});

test('stored and read again, by us and by tf.loadLayersModel: the same logits to the bit, a quarter of the bytes', async () => {
  const source = await digits();
  const files = await written(quantize(source));
  const loaded = await loadFrom(source, { quantize: 'int8' });
  const expected = logits(loaded);
  const read = async (path: string) => files.get(path) as Uint8Array;
  const ours = await loadFrom(await openLayersModelFolder({ name: 'folder', read }));
  expect(logits(ours)).toEqual(expected);

  const json = JSON.parse(new TextDecoder().decode(files.get('model.json')));
  const [{ paths, weights }] = json.weightsManifest;
  const weightData = Uint8Array.from(Buffer.concat(paths.map((path: string) => files.get(path)))).buffer;
  const artifacts = { modelTopology: json.modelTopology, weightSpecs: weights, weightData };
  const theirs = await tfl.loadLayersModel({ load: async () => artifacts });
  const x = input(source.config);
  const y = theirs.predict(x) as tf.Tensor;
  expect(y.dataSync()).toEqual(expected);
  tf.dispose([x, y]);
  for (const model of [loaded, ours, theirs]) model.dispose();

  const fewer = bytesOf(files) / bytesOf(await written(source));
  expect(fewer).toBeGreaterThan(0.25);
  expect(fewer).toBeLessThan(0.4); // this small model is rich in vectors
});

test('without SIMD, and on another backend, a stored quantized model runs in float32', async () => {
  const source = quantize(await digits());
  const expected = await loadFrom(dequantize(source));
  const logitsOfCodes = logits(expected);
  const fast = await loadFrom(source);
  const quantizedLogits = logits(fast);
  await unregisterWasmKernels();
  await registerWasmKernels({ simd: 'none' });
  // A model that was loaded before runs on, layer by layer.
  expect(relativeError(logits(fast), logitsOfCodes)).toBeLessThan(1e-5);
  const plain = await loadFrom(source);
  expect(plain.config.quantization).toBeUndefined();
  expect(relativeError(logits(plain), logitsOfCodes)).toBeLessThan(1e-5);
  expect(relativeError(quantizedLogits, logitsOfCodes)).toBeLessThan(0.03);
  for (const model of [expected, fast, plain]) model.dispose();
});

test('attention maps and features of a quantized model', async () => {
  const source = await digits();
  const model = await loadFrom(source);
  const quantized = await loadFrom(source, { quantize: 'int8' });
  const [a, b] = tf.tidy(() =>
    [model, quantized].map((one) => {
      const { tokens, attention } = one.features(input(one.config), { attention: true });
      return [tokens, ...attention].map((tensor) => tensor.dataSync().slice());
    }),
  ) as unknown as Float32Array[][];
  a!.forEach((values, i) => {
    expect(relativeError(b![i]!, values)).toBeLessThan(0.08);
  });
  model.dispose();
  quantized.dispose();
});

test('memory goes with the model', async () => {
  const source = quantize(await digits());
  const round = async () => {
    const model = await loadFrom(source);
    logits(model);
    const packed = countPackedWeights();
    model.dispose();
    return packed;
  };
  await round();
  const { numTensors, numBytes } = tf.memory();
  const heap = memoryOf(tf.backend() as WasmBackend)!.buffer.byteLength;
  for (let i = 0; i < 5; i++) expect(await round()).toBeGreaterThan(4 * source.config.depth);
  expect(countPackedWeights()).toBe(0);
  expect(tf.memory()).toMatchObject({ numTensors, numBytes });
  expect(memoryOf(tf.backend() as WasmBackend)!.buffer.byteLength).toBe(heap);
});

test('codes are not trained, and fresh models not quantized', async () => {
  const model = await loadFrom(await digits(), { quantize: 'int8' });
  const trained = model.layersModel.trainableWeights.map(({ originalName }) => originalName);
  expect(trained.some((name) => name.endsWith('norm1.gamma'))).toBe(true);
  expect(trained.filter((name) => /blocks.*\.(kernel|scale)$/.test(name))).toEqual([]);
  model.dispose();
  expect(() => createModel({ quantization: 'int8' })).toThrow('fresh weights are not quantized');
});

test('quantize with another backend, and to another type, is a clear error', async () => {
  const source = await digits();
  await expect(loadFrom(source, { quantize: 'int8', backend: 'webgl' })).rejects.toThrow(
    'int8 runs on the wasm backend alone, not on webgl; leave out one of the two',
  );
  await expect(loadFrom(source, { quantize: 'int4' as 'int8' })).rejects.toThrow(
    'quantized to int8, not to "int4"',
  );
});
