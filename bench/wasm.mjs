/**
 * One image on WebAssembly, one thread: our kernels, the plain ops of TensorFlow.js, onnxruntime-web.
 *
 *     npm run build && npm ci --ignore-scripts --prefix bench
 *     node bench/wasm.mjs [--models tiny,small,base] [--rounds 15] [--batch 1] [--size 224] [--simd simd] [--no-plain]
 *         [--clock processor]
 *
 * Which instructions the kernels use depends on the Node that runs this: fused multiply-add from 22 on.
 */
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { registerWasmKernels, unregisterWasmKernels } from '../dist/src/kernels/wasm/index.js';
import { largestDifference, makeImages, makeModel, toPlanes } from './lib/models.mjs';
import { onnxModel } from './lib/onnxModel.mjs';
import { median, processorClock, race, wallClock } from './lib/race.mjs';
import '@tensorflow/tfjs-backend-wasm';

/** A second WASM backend, on which our kernels are never registered. */
const PLAIN = 'wasm-plain-ops';

function addPlainBackend() {
  if (tf.findBackendFactory(PLAIN)) return;
  tf.registerBackend(PLAIN, tf.findBackendFactory('wasm'));
  tf.copyRegisteredKernels('wasm', PLAIN);
}

/** Our model on a backend. */
async function openTfjs(backend, name, pixels, shape) {
  await tf.setBackend(backend);
  const model = makeModel(name, shape[1]);
  const x = tf.tensor4d(pixels, shape);
  return {
    model,
    async run() {
      if (tf.getBackend() !== backend) await tf.setBackend(backend);
      const logits = model.predict(x);
      const values = logits.dataSync();
      logits.dispose();
      return values;
    },
    async dispose() {
      await tf.setBackend(backend);
      model.dispose();
      x.dispose();
    },
  };
}

/** An ONNX file in onnxruntime-web, on the CPU by WebAssembly. */
export async function openOrtWeb(file, planes, shape, threads = 1) {
  const ort = await import('onnxruntime-web');
  ort.env.wasm.numThreads = threads;
  const session = await ort.InferenceSession.create(file, {
    executionProviders: ['wasm'],
    graphOptimizationLevel: 'all',
  });
  const images = new ort.Tensor('float32', planes, shape);
  const [input] = session.inputNames;
  return {
    run: async () => Object.values(await session.run({ [input]: images }))[0].data,
    dispose: () => session.release(),
  };
}

/**
 * @param {object} options
 * @param {string[]} [options.models] names of DeiT sizes
 * @param {number} [options.rounds] timed runs of each contender
 * @param {number} [options.batch] images in a batch
 * @param {number} [options.size] their side in pixels
 * @param {string} [options.simd] 'simd' to use no fused multiply-add
 * @param {boolean} [options.plain] whether to run the plain ops
 * @param {() => number} [options.clock] of lib/race.mjs
 * @param {(result: Record<string, any>) => void} [report] called with each model's result as it comes
 * @returns for each model medians in ms, ours / ort, and the largest difference of our logits and onnxruntime's as a part
 *   of the largest logit
 */
export async function measureWasm(options = {}, report = () => {}) {
  const { models = ['tiny', 'small', 'base'], rounds = 15, batch = 1, size = 224, plain = true } = options;
  addPlainBackend();
  await tf.setBackend('wasm');
  await unregisterWasmKernels();
  const { simd } = await registerWasmKernels({ simd: /** @type {'simd' | 'relaxed'} */ (options.simd) });
  const pixels = makeImages(batch, size);
  const planes = toPlanes(pixels, batch, size);
  const shape = [batch, size, size, 3];
  const results = [];
  for (const model of models) {
    const ours = await openTfjs('wasm', model, pixels, shape);
    const ort = await openOrtWeb(onnxModel(ours.model, batch), planes, [batch, 3, size, size]);
    const contenders = [ours, ort];
    if (plain) contenders.push(await openTfjs(PLAIN, model, pixels, shape));
    const difference = largestDifference(await ort.run(), await ours.run());
    const times = await race(
      contenders.map(({ run }) => run),
      rounds,
      3,
      options.clock,
    );
    const [ourTime, ortTime, plainTime] = times.map(median);
    const result = {
      model,
      simd,
      ours: ourTime,
      plain: plainTime,
      ort: ortTime,
      ratio: ourTime / ortTime,
      difference,
    };
    results.push(result);
    report(result);
    for (const contender of contenders) await contender.dispose();
  }
  return results;
}

async function main() {
  const { values } = parseArgs({
    options: {
      models: { type: 'string', default: 'tiny,small,base' },
      rounds: { type: 'string', default: '15' },
      batch: { type: 'string', default: '1' },
      size: { type: 'string', default: '224' },
      simd: { type: 'string', default: 'relaxed' },
      'no-plain': { type: 'boolean', default: false },
      clock: { type: 'string', default: 'wall' },
    },
  });
  const batch = Number(values.batch);
  const ms = (time) => (time === undefined ? '-' : time.toFixed(1)).padStart(9);
  console.log(`node ${process.version}, batch ${batch}, ms a batch by the ${values.clock} clock`);
  console.log(`model  kernels        ours   tfjs ops   onnxruntime-web  ours / ort  logits differ by`);
  const options = {
    models: values.models.split(','),
    rounds: Number(values.rounds),
    batch,
    size: Number(values.size),
    simd: values.simd,
    plain: !values['no-plain'],
    clock: values.clock === 'processor' ? processorClock : wallClock,
  };
  await measureWasm(options, ({ model, simd, ours, plain, ort, ratio, difference }) => {
    console.log(
      `${model.padEnd(6)} ${simd.padEnd(7)}${ms(ours)}  ${ms(plain)}         ${ms(ort)}       ${ratio.toFixed(3)}  ${difference.toExponential(1)}`,
    );
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
