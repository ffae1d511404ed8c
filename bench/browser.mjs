/**
 * DeiT-tiny in Chromium, one image at a time: each backend on our kernels and on plain tfjs ops, and
 * onnxruntime-web in the same page where it and an ONNX file are at hand.
 *
 *     npm run build && node bench/browser.mjs [--backends wasm,webgl,webgpu] [--rounds 15] [--isolated] [--threads N]
 *         [--model deit_tiny_distilled_patch16_224]
 *         [--check FOLDER]    holds fb_tiny_distilled_legacy.pth, its input x224.f32 (NCHW) and ref.json with
 *                             PyTorch's logits: every contender's are compared with them; WASM runs in 8 bits too
 *         [--ort FOLDER]      holds node_modules/onnxruntime-web and tiny.onnx
 *         [--ort-provider webgpu]  by default wasm
 *         [--only TEXT,TEXT]  contenders of these names, or that begin with one of them and a space
 *         [--profile]         milliseconds of each kind of kernel; each is waited for, so that their sum is more
 *                             than the whole
 *
 * Rounds are interleaved, so that a change in the machine's speed falls on all alike; medians are printed. Without a
 * GPU, WebGL and WebGPU are rendered by SwiftShader on the CPU, which says nothing of a GPU.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { launchChromium } from '../dist/test/browser/launch.js';
import { openPage } from '../dist/test/browser/page.js';
import { startServer } from '../dist/test/browser/server.js';

const { values: options } = parseArgs({
  options: {
    backends: { type: 'string', default: 'wasm,webgl,webgpu' },
    rounds: { type: 'string', default: '15' },
    model: { type: 'string', default: 'deit_tiny_distilled_patch16_224' },
    isolated: { type: 'boolean', default: false },
    threads: { type: 'string' },
    check: { type: 'string' },
    ort: { type: 'string' },
    'ort-provider': { type: 'string', default: 'wasm' },
    only: { type: 'string' },
    profile: { type: 'boolean', default: false },
  },
});

/** Runs in the page: contenders by name, each a function that runs one forward pass and gives its logits. */
async function prepare({ backends, name, hasCheckpoint, hasOrt, provider, threads }) {
  const { deit } = globalThis;
  const { tf } = deit;
  const bytes = async (url) => (await fetch(url)).arrayBuffer();
  const [side, pixels] = [224, 224 * 224];
  const nchw = hasCheckpoint
    ? new Float32Array(await bytes('/check/x224.f32'))
    : Float32Array.from({ length: 3 * pixels }, (_, i) => Math.sin(i * 0.37));
  const nhwc = nchw.map((_, i) => nchw[(i % 3) * pixels + Math.floor(i / 3)]);
  const checkpoint = hasCheckpoint
    ? await bytes('/check/fb_tiny_distilled_legacy.pth')
    : await freshCheckpoint(name);
  async function freshCheckpoint(name) {
    await deit.useBackend('wasm');
    const model = deit.createModel(name);
    const chunks = [];
    for await (const chunk of await deit.exportStateDict(model)) chunks.push(chunk.slice());
    model.dispose();
    return new Blob(chunks);
  }

  const kernelsOf = (backend) =>
    tf.getKernelsForBackend(backend).filter(({ kernelName }) => /^Deit/.test(kernelName));
  const contenders = {};
  const notes = {};
  for (const backend of backends) {
    const choice = await deit.useBackend(backend);
    notes[backend] = choice.description;
    const options = { backend, onBackend: ({ description }) => (notes[backend] = description) };
    const model = await deit.load(checkpoint, options);
    const x = tf.tensor4d(nhwc, [1, side, side, 3]);
    const kernels = kernelsOf(backend);
    const { layersModel } = model;
    const forward = async () => {
      const y = /** @type {import('@tensorflow/tfjs-core').Tensor} */ (layersModel.predict(x));
      const logits = await y.data();
      y.dispose();
      return logits;
    };
    contenders[backend] = () => model.predictPixels(nhwc, 1);
    if (backend === 'wasm') {
      contenders['wasm, tfjs with own kernels'] = forward;
      contenders['wasm, logits and attention'] = async () => (await deit.inspect(model, x)).logits;
      // Without an engine: a model that was created has none.
      const layers = deit.createModel(name);
      contenders['wasm, logits and attention by tfjs'] = async () => {
        await deit.inspect(layers, x);
        return last;
      };
      const last = await model.predictPixels(nhwc, 1);
      const int8 = await deit.load(checkpoint, { backend, quantize: 'int8' });
      contenders['wasm, int8'] = () => int8.predictPixels(nhwc, 1);
      const int8Layers = int8.layersModel;
      contenders['wasm, int8, tfjs with own kernels'] = async () => {
        const y = /** @type {import('@tensorflow/tfjs-core').Tensor} */ (int8Layers.predict(x));
        const logits = await y.data();
        y.dispose();
        return logits;
      };
    }
    contenders[`${backend}, plain tfjs ops`] = async () => {
      await tf.setBackend(backend);
      for (const { kernelName } of kernels) tf.unregisterKernel(kernelName, backend);
      try {
        return await forward();
      } finally {
        for (const kernel of kernels) tf.registerKernel(kernel);
      }
    };
  }
  if (hasOrt) {
    const ort = await import(/** @type {any} */ (`/ort/ort.${provider}.min.mjs`));
    ort.env.wasm.numThreads = threads;
    const session = await ort.InferenceSession.create('/ort-model/tiny.onnx', {
      executionProviders: [provider],
    });
    const input = new ort.Tensor('float32', nchw, [1, 3, side, side]);
    const [inputName] = session.inputNames;
    const [outputName] = session.outputNames;
    const where = provider === 'wasm' ? `${threads} thread${threads > 1 ? 's' : ''}` : provider;
    contenders[`onnxruntime-web ${ort.env.versions.web}, ${where}`] = async () =>
      (await session.run({ [inputName]: input }))[outputName].data;
  }
  globalThis.contenders = contenders;
  return { names: Object.keys(contenders), notes, isolated: globalThis.crossOriginIsolated };
}

/** Runs in the page: milliseconds of one forward pass, and its logits. */
async function runOne(name) {
  // Threads of the contender before may wait awake for a while, and would take the cores from this one.
  await new Promise((resolve) => setTimeout(resolve, 50));
  const start = performance.now();
  const logits = await globalThis.contenders[name]();
  return { ms: performance.now() - start, logits: [...logits] };
}

/** Runs in the page: milliseconds of each kind of kernel in one forward pass. */
async function profileOne(name) {
  const engine = globalThis.deit.tf.engine();
  const runKernel = engine.runKernel.bind(engine);
  const calls = [];
  /** @type {(...args: any[]) => any} */
  const timed = (kernel, inputs, attrs) => {
    const start = performance.now();
    const result = runKernel(kernel, inputs, attrs);
    for (const each of [result].flat()) each.dataSync?.();
    calls.push([kernel, performance.now() - start]);
    return result;
  };
  engine.runKernel = timed;
  try {
    await globalThis.contenders[name]();
  } finally {
    delete engine.runKernel;
  }
  const sums = new Map();
  for (const [kernel, ms] of calls) sums.set(kernel, (sums.get(kernel) ?? 0) + ms);
  return [...sums].sort((a, b) => b[1] - a[1]);
}

function median(values) {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

const folders = {};
if (options.check) folders['/check'] = options.check;
if (options.ort) {
  folders['/ort'] = join(options.ort, 'node_modules/onnxruntime-web/dist');
  folders['/ort-model'] = options.ort;
}
const server = await startServer({ folders, isolated: options.isolated });
const browser = await launchChromium();
try {
  const { page } = await openPage(browser, server);
  page.setDefaultTimeout(0);
  const {
    names: all,
    notes,
    isolated,
  } = await page.evaluate(prepare, {
    backends: options.backends.split(','),
    name: options.model,
    hasCheckpoint: options.check !== undefined,
    hasOrt: options.ort !== undefined,
    provider: options['ort-provider'],
    threads: Number(options.threads ?? 1),
  });
  const only = options.only?.split(',');
  const names = all.filter(
    (name) => only?.some((each) => name === each || name.startsWith(`${each} `)) ?? true,
  );
  console.log(`Chromium ${browser.version()}, ${isolated ? 'cross-origin isolated' : 'not isolated'}`);
  for (const note of Object.values(notes)) console.log(`    ${note}`);
  const expected =
    options.check &&
    JSON.parse(await readFile(join(options.check, 'ref.json'), 'utf8'))['fb_tiny_distilled_legacy.pth']
      .logits;
  const times = new Map(names.map((name) => [name, []]));
  const last = new Map();
  for (let round = -1; round < Number(options.rounds); round++) {
    for (const name of names) {
      const { ms, logits } = await page.evaluate(runOne, name);
      if (round >= 0) times.get(name).push(ms);
      last.set(name, logits);
    }
  }
  for (const name of names) {
    const found = last.get(name);
    const error =
      expected &&
      Math.max(...expected.map((value, i) => Math.abs(value - found[i]))) /
        Math.max(...expected.map(Math.abs));
    const isOurs = !name.startsWith('onnx');
    const list = times.get(name);
    const ms = `${median(list).toFixed(1).padStart(8)} ms (least ${Math.min(...list).toFixed(1)})`;
    console.log(
      `${name.padEnd(36)} ${ms}${expected && isOurs ? `   error against PyTorch ${error.toExponential(1)}` : ''}`,
    );
  }
  if (options.profile) {
    for (const name of names.filter((each) => !each.startsWith('onnx'))) {
      console.log(name);
      for (const [kernel, ms] of (await page.evaluate(profileOne, name)).slice(0, 12)) {
        console.log(`    ${kernel.padEnd(26)} ${ms.toFixed(1).padStart(8)} ms`);
      }
    }
  }
} finally {
  await browser.close();
  await server.close();
}
