/**
 * What webgpu.test.ts runs in a process of its own: Dawn's library reads its environment when the process begins, and a
 * process that does not end, or aborts, is a failure too. Prints what it found as one line of JSON.
 */
import Module from 'node:module';
import { join } from 'node:path';
import { parentPort, Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { WebgpuEngine } from '../../../src/engines/webgpu/engine.js';
import { record, type Value } from '../../../src/engines/webgpu/record.js';
import type { VitConfig } from '../../../src/families/vit/config.js';
import { forward } from '../../../src/families/vit/forward.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { createModel, resolveConfig } from '../../../src/models/create.js';
import type { VisionTransformer } from '../../../src/models/visionTransformer.js';
import { namedWeights, setWeight } from '../../../src/models/weights.js';
import { loadDawn } from '../../../src/node/webgpu/dawn.js';
import type { Ops } from '../../../src/ops/interface.js';
import { attempt } from './attempt.js';

const [scenario, model = '', val = ''] = process.argv.slice(2);

const library = () => import('../../../src/node/index.js');

/** Both models in one process, in turn, then at once. */
async function logits() {
  const { load } = await library();
  const descriptions: string[] = [];
  const onBackend = ({ description }: { description: string }) => descriptions.push(description);
  const webgpu = await load(model, { backend: 'webgpu', onBackend });
  const wasm = await load(model, { backend: 'wasm', onBackend });
  const both = [];
  for (const file of FILES) {
    const [found, expected] = await Promise.all(
      [webgpu, wasm].map((each) => each.classify(join(val, file), { topK: 10 })),
    );
    both.push({ file, found: byClass(found!), expected: byClass(expected!) });
  }
  const features = await featuresOf([webgpu, wasm]);
  return {
    both,
    features,
    descriptions,
    backends: [webgpu.backend, wasm.backend],
    kernel: Boolean(tf.getKernel('DeitAttention', 'webgpu')),
    navigatorGpu: Boolean((globalThis.navigator as Navigator | undefined)?.gpu),
  };
}

const FILES = ['0/00003.png', '0/00010.png', '0/00013.png'];

function byClass(top: readonly { index: number; logit: number }[]): number[] {
  return top.toSorted((a, b) => a.index - b.index).map(({ logit }) => logit);
}

async function featuresOf(models: Awaited<ReturnType<Awaited<ReturnType<typeof library>>['load']>>[]) {
  const [height, width] = models[0]!.config.imgSize;
  const size = height * width * models[0]!.config.inChans;
  const pixels = Float32Array.from({ length: size }, (_, i) => Math.sin(i));
  return Promise.all(
    models.map(async (each) => {
      const x = each.onBackend(() => tf.tensor4d(pixels, [1, height, width, each.config.inChans]));
      const { tokens } = each.features(x);
      return [...(await tokens.data())];
    }),
  );
}

/** Two models that have every kernel of the engine between them. */
const MAP_POOLING: Partial<VitConfig> = {
  pool: 'map',
  embedDim: 30, // no multiple of four
  numHeads: 6,
  patchSize: [8, 12],
  patchBias: false,
  swiglu: true,
  qkNorm: true,
  classToken: false,
  registers: 2,
  posEmbedPrefix: false,
  layerScale: 0.5,
};
const TWO_HEADS: Partial<VitConfig> = {
  distilled: true,
  parallel: 2,
  preNorm: true,
  activation: 'quick_gelu',
};
const SMALL: Partial<VitConfig> = {
  imgSize: [37, 51],
  patchSize: 8,
  embedDim: 32,
  depth: 2,
  numHeads: 4,
  numClasses: 7,
};

/** What the engine gives of logits, embeddings and heads, and what WASM gives. */
async function engine(fields: Partial<VitConfig>) {
  const { useBackend } = await library();
  const { attachRuntime } = await import('../../../src/backend.js');
  const make = async (backend: string, values?: ReadonlyMap<string, Float32Array>) => {
    await useBackend(backend);
    const made = createModel({ ...SMALL, ...fields }, { seed: 1 });
    for (const [key, weight] of namedWeights(made.layersModel)) {
      if (values) setWeight(weight, values.get(key)!);
    }
    return made;
  };
  const wasm = await make('wasm');
  const values = new Map(
    [...namedWeights(wasm.layersModel)].map(([key, weight]) => {
      const start = weight.read().dataSync<'float32'>();
      return [key, start.map((value, i) => value + 0.05 * Math.sin(1.7 * i + key.length))] as const;
    }),
  );
  for (const [key, weight] of namedWeights(wasm.layersModel)) setWeight(weight, values.get(key)!);
  const webgpu = await make('webgpu', values);
  await attachRuntime(webgpu, 'webgpu');
  const [height, width] = webgpu.config.imgSize;
  const images = Float32Array.from({ length: 3 * height * width * 3 }, (_, i) => Math.sin(0.7 * i));
  const all = async (each: VisionTransformer) => {
    const x = each.onBackend(() => tf.tensor4d(images, [3, height, width, 3]));
    const logits = each.predict(x);
    const tensor = [...(await logits.data())];
    tf.dispose([x, logits]);
    const [pixels, embeddings] = [await each.predictPixels(images, 3), await each.embedPixels(images, 3)];
    return { tensor, pixels: [...pixels], embeddings: [...embeddings] };
  };
  const heads = await webgpu.headPixels(images, 3);
  return { found: await all(webgpu), expected: await all(wasm), heads: heads && [...heads] };
}

/** Batches of more images than a tensor on the device may hold: cut, computed, and joined again. */
async function batches() {
  const { useBackend } = await library();
  await useBackend('webgpu');
  const { device } = tf.backend() as tf.KernelBackend & { device: GPUDevice };
  const buffer = (length: number) => {
    const made = device.createBuffer({ size: 4 * length, usage: 0x80 | 0x8 });
    device.queue.writeBuffer(
      made,
      0,
      Float32Array.from({ length }, (_, i) => i + 1),
    );
    return made;
  };
  const weight = buffer(12 * 4);
  const limits = { maxStorageBufferBindingSize: 2 * 48, maxBufferSize: 2 ** 20 };
  const small = new Proxy(device, {
    get(target, name) {
      if (name === 'limits') return limits;
      const value = Reflect.get(target, name) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const engine = new WebgpuEngine({
    device: small,
    outputs: { logits: (ops, images) => ops.token(ops.patchEmbed(images, 'patches'), 0) },
    weights: [{ name: 'patches.kernel', shape: [2, 2, 3, 4] }],
    weight: () => weight,
    inputShape: [2, 2, 3],
  });
  const images = Float32Array.from({ length: 5 * 12 }, (_, i) => i % 7);
  const found = [...(await engine.run(images, 5))];
  const refused = await attempt(() => engine.runBuffer(weight, 5));
  const expected = Array.from({ length: 20 }, (_, at) => {
    const [image, column] = [Math.floor(at / 4), at % 4];
    return Array.from({ length: 12 }, (_, k) => images[12 * image + k]! * (4 * k + column + 1)).reduce(
      (a, b) => a + b,
    );
  });
  engine.dispose();
  return { found, expected, refused };
}

/** A norm as part of the product that reads it, and in a pass of its own, as another product reads it too. */
async function norms() {
  const { useBackend } = await library();
  await useBackend('webgpu');
  const { device } = tf.backend() as tf.KernelBackend & { device: GPUDevice };
  const found = [];
  for (const width of [192, 30]) {
    const weights = [
      { name: 'patches.kernel', shape: [2, 2, 3, width] },
      { name: 'norm.gamma', shape: [width] },
      { name: 'norm.beta', shape: [width] },
      { name: 'layer.kernel', shape: [width, 50] },
      { name: 'layer.bias', shape: [50] },
    ];
    const buffers = new Map(
      weights.map(({ name, shape }, at) => {
        const length = shape.reduce((a, b) => a * b);
        const buffer = device.createBuffer({ size: 4 * length, usage: 0x80 | 0x8 });
        const values = Float32Array.from({ length }, (_, i) => Math.sin(1.3 * i + at));
        device.queue.writeBuffer(buffer, 0, values);
        return [name, buffer];
      }),
    );
    const layers = (ops: Ops<Value>, images: Value, count: number) => {
      const normed = ops.layerNorm(ops.patchEmbed(images, 'patches'), 'norm', 1e-6);
      const tokens = Array.from({ length: count }, () => ops.linear(normed, 'layer', { activation: 'gelu' }));
      return ops.concat([0, 17, 35].map((row) => ops.mean(tokens.map((each) => ops.token(each, row)))));
    };
    const outputs = {
      joined: (ops: Ops<Value>, images: Value) => layers(ops, images, 1),
      // The mean of two equal numbers is each of them.
      apart: (ops: Ops<Value>, images: Value) => layers(ops, images, 2),
    };
    const engine = new WebgpuEngine({
      device,
      outputs,
      weights,
      weight: (name) => buffers.get(name)!,
      inputShape: [12, 12, 3],
    });
    const images = Float32Array.from({ length: 2 * 12 * 12 * 3 }, (_, i) => Math.sin(0.7 * i));
    const shapes = new Map(weights.map(({ name, shape }) => [name, shape]));
    const steps = Object.values(outputs).map(
      (pass) =>
        record(pass, [12, 12, 3], 2, (name) => shapes.get(name), { type: 'f32', matrices: false }).steps
          .length,
    );
    found.push({
      steps,
      joined: [...(await engine.run(images, 2, 'joined'))],
      apart: [...(await engine.run(images, 2, 'apart'))],
    });
    engine.dispose();
  }
  return found;
}

/** What Dawn says of every shader of a model in float16, with products of whole matrices and without: no device runs them. */
async function shaders() {
  const dawn = await loadDawn();
  const gpu = dawn.create(['backend=null', 'enable-dawn-features=allow_unsafe_apis']);
  const adapter = (await gpu.requestAdapter())!;
  const names = ['shader-f16', 'subgroups', 'chromium-experimental-subgroup-matrix'] as GPUFeatureName[];
  const requiredFeatures = names.filter((name) => adapter.features.has(name));
  const device = await adapter.requestDevice({ requiredFeatures });
  const config = resolveConfig('deit_tiny_distilled_patch16_224', { layerScale: 1, qkNorm: true });
  const shapes = new Map(weightSpecs(config).map(({ name, shape }) => [name, shape]));
  const complaints: string[] = [];
  let count = 0;
  for (const matrices of [false, true]) {
    for (const batch of [1, 64]) {
      const pass = (ops: Ops<Value>, images: Value) => forward(ops, config, images);
      const { steps } = record(pass, [224, 224, 3], batch, (name) => shapes.get(name), {
        type: 'f16',
        matrices,
      });
      for (const code of new Set(steps.map(({ code }) => code))) {
        count += 1;
        device.pushErrorScope('validation');
        const module = device.createShaderModule({ code });
        // The adapter of no device has less workgroup memory than whole matrices take.
        if (!matrices) device.createComputePipeline({ layout: 'auto', compute: { module } });
        const refused = await device.popErrorScope();
        if (refused) complaints.push(refused.message);
      }
    }
  }
  (globalThis as { kept?: unknown }).kept = gpu;
  return { count, complaints, features: requiredFeatures };
}

/** Collects garbage all the while, where node has --expose-gc: a GPU object that is collected aborts the process. */
const collecting = globalThis.gc && setInterval(globalThis.gc, 100);

/** A device that goes away; then a buffer that no device has room for. */
async function lost() {
  const { load } = await library();
  const classify = async () => {
    const loaded = await load(model, { backend: 'webgpu' });
    return {
      loaded,
      device: (tf.engine().registry.webgpu as tf.KernelBackend & { device: GPUDevice }).device,
    };
  };
  const first = await classify();
  first.device.destroy();
  const gone = await attempt(() => first.loaded.classify(join(val, FILES[0]!)));
  const second = await classify();
  const again = (await second.loaded.classify(join(val, FILES[0]!), { topK: 1 }))[0]!.index;
  second.device.createBuffer({ size: 2 ** 45, usage: GPUBufferUsage.STORAGE });
  const refused = await attempt(() => second.loaded.classify(join(val, FILES[0]!)));
  return { gone, again, refused };
}

/** How often Dawn asks for news: while a model is compiled and used, and once nothing is asked of it. */
async function polling() {
  const { load } = await library();
  let asked = 0;
  const { setImmediate } = globalThis;
  globalThis.setImmediate = ((...given: Parameters<typeof setImmediate>) => {
    asked += 1;
    return setImmediate(...given);
  }) as typeof setImmediate;
  const during = async (run: () => Promise<unknown>) => {
    asked = 0;
    const [start, before] = [performance.now(), process.cpuUsage()];
    await run();
    const { user, system } = process.cpuUsage(before);
    return { asked, passed: performance.now() - start, processor: (user + system) / 1000 };
  };
  const use = async () => {
    const loaded = await load(model, { backend: 'webgpu' });
    await loaded.classify(join(val, FILES[0]!));
  };
  const working = await during(use);
  return { working, idle: await during(() => new Promise((resolve) => setTimeout(resolve, 1000))) };
}

async function dataSync() {
  const { useBackend } = await library();
  await useBackend('webgpu');
  const sum = tf.add(tf.tensor1d([1, 2]), 1);
  return { error: await attempt(() => sum.dataSync()), values: [...(await sum.data())] };
}

/** More tensors than a shader has bindings; and what the watch says where tfjs' own kernels are refused. */
async function addN() {
  const { useBackend } = await library();
  await useBackend('webgpu');
  const sums = [];
  for (const count of [1, 2, 7, 8, 13, 14, 40]) {
    const before = tf.memory().numTensors;
    const sum = tf.tidy(() => tf.addN(Array.from({ length: count }, (_, i) => tf.tensor1d([i, 1]))));
    const dataIds = tf.backend().numDataIds();
    sums.push({ count, values: [...(await sum.data())], kept: tf.memory().numTensors - before, dataIds });
    sum.dispose();
  }
  return sums;
}

async function error() {
  const { useBackend } = await library();
  return { error: await attempt(() => useBackend('webgpu')) };
}

/** What asking for float16 ends in. */
async function float16() {
  const { load } = await library();
  return { error: await attempt(() => load(model!, { backend: 'webgpu', dtype: 'float16' })) };
}

async function choice() {
  const { useBackend } = await library();
  return useBackend('auto');
}

/** As on a machine where `npm install webgpu` was never run. */
async function missing() {
  const resolver = Module as unknown as { _resolveFilename(name: string, ...rest: unknown[]): string };
  const { _resolveFilename: resolve } = resolver;
  resolver._resolveFilename = (name, ...rest) => {
    if (name === 'webgpu') throw new Error("Cannot find module 'webgpu'");
    return resolve.call(Module, name, ...rest);
  };
  return error();
}

/** `choice`, found in a worker thread; what it resolves to has outlived the thread. */
async function worker() {
  const thread = new Worker(new URL(import.meta.url), { argv: ['choice'] });
  let choice: unknown;
  thread.once('message', (message) => {
    choice = message;
  });
  const code = await new Promise((resolve, reject) => thread.once('exit', resolve).once('error', reject));
  return { code, choice };
}

/** load's option `device`, with one that is not there in DEIT_WEBGPU_DEVICE. */
async function device() {
  const { load, useBackend } = await library();
  const descriptions: string[] = [];
  const onBackend = ({ description }: { description: string }) => descriptions.push(description);
  const errors = [await attempt(() => load(model, { backend: 'webgpu', device: 'GeForce RTX' }))];
  await load(model, { backend: 'webgpu', device: 'subzero', onBackend });
  await load(model, { backend: 'auto', device: '0', onBackend });
  errors.push(await attempt(() => load(model, { backend: 'webgpu' })));
  errors.push(await attempt(() => useBackend('wasm', { device: '0' })));
  errors.push(await attempt(() => useBackend('auto', { device: 'GeForce' })));
  return { descriptions, errors };
}

const scenarios: Record<string, () => Promise<unknown>> = {
  logits,
  lost,
  mapPooling: () => engine(MAP_POOLING),
  twoHeads: () => engine(TWO_HEADS),
  batches,
  norms,
  shaders,
  polling,
  dataSync,
  addN,
  error,
  float16,
  choice,
  device,
  missing,
  worker,
};
const result = await scenarios[scenario!]!();
clearInterval(collecting);
if (parentPort) parentPort.postMessage(result);
else console.log(JSON.stringify(result));
