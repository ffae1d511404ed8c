/**
 * What webgpu.test.ts runs in a process of its own: Dawn's library reads its environment when the process begins, and a
 * process that does not end, or aborts, is a failure too. Prints what it found as one line of JSON.
 */
import Module from 'node:module';
import { join } from 'node:path';
import { parentPort, Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';

const [scenario, model = '', val = ''] = process.argv.slice(2);

/** The message of an error in place of a result. */
async function attempt(run: () => unknown): Promise<string> {
  try {
    await run();
    return 'no error';
  } catch (error) {
    return `${(error as Error).name}: ${(error as Error).message}`;
  }
}

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

/** Collects garbage all the while, where node has --expose-gc: a GPU object that is collected aborts the process. */
const collecting = globalThis.gc && setInterval(globalThis.gc, 15);

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

const scenarios: Record<string, () => Promise<unknown>> = {
  logits,
  lost,
  dataSync,
  addN,
  error,
  choice,
  missing,
  worker,
};
const result = await scenarios[scenario!]!();
clearInterval(collecting);
if (parentPort) parentPort.postMessage(result);
else console.log(JSON.stringify(result));
