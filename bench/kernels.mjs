/**
 * Where the time of a forward pass goes on the WASM backend: one picture, one thread, each kernel's share, beside
 * onnxruntime-web where it and ONNX files of the models are at hand.
 *
 *     npm run build && node bench/kernels.mjs [--models tiny,small,base] [--rounds 15] [--batch 1] [--simd simd]
 *         [--ort FOLDER]      holds node_modules/onnxruntime-web and tiny.onnx, small.onnx, base.onnx
 *
 * Rounds are interleaved, so that a change in the machine's speed falls on all alike; medians are printed.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../dist/src/backend.js';
import { registerWasmKernels, unregisterWasmKernels } from '../dist/src/kernels/wasm/index.js';
import { createModel } from '../dist/src/models/create.js';

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: 'tiny,small,base' },
    rounds: { type: 'string', default: '15' },
    batch: { type: 'string', default: '1' },
    simd: { type: 'string', default: 'relaxed' },
    ort: { type: 'string' },
  },
});
const batch = Number(options.batch);

function median(times) {
  return times.sort((a, b) => a - b)[times.length >> 1];
}

/** Runs the contenders turn by turn; resolves to the times of each, in ms, the first rounds left out. */
async function race(contenders, rounds) {
  const times = contenders.map(() => []);
  for (let round = -3; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const start = performance.now();
      await contender();
      if (round >= 0) times[i].push(performance.now() - start);
    }
  }
  return times;
}

/** Median time of each kind of kernel in one forward pass, by putting a clock around every kernel. */
async function profile(forward, rounds) {
  const engine = tf.engine();
  const runKernel = engine.runKernel.bind(engine);
  const perRound = [];
  let sums = {};
  engine.runKernel = (name, inputs, attrs) => {
    const start = performance.now();
    const result = runKernel(name, inputs, attrs);
    const shape = name === 'DeitLinear' ? ` ${inputs.kernel.shape.join('×')}` : '';
    sums[name + shape] = (sums[name + shape] ?? 0) + performance.now() - start;
    return result;
  };
  for (let round = 0; round < rounds; round++) {
    sums = {};
    const start = performance.now();
    forward();
    sums.all = performance.now() - start;
    perRound.push(sums);
  }
  delete engine.runKernel;
  const names = Object.keys(perRound[0]);
  return names
    .map((name) => [name, median(perRound.map((round) => round[name]))])
    .sort((a, b) => b[1] - a[1]);
}

async function openOrt(name) {
  const require = createRequire(pathToFileURL(`${options.ort}/`));
  const ort = await import(pathToFileURL(require.resolve('onnxruntime-web')));
  ort.env.wasm.numThreads = 1;
  const file = await readFile(`${options.ort}/${name}.onnx`);
  const session = await ort.InferenceSession.create(file, { executionProviders: ['wasm'] });
  const input = new ort.Tensor('float32', new Float32Array(batch * 3 * 224 * 224).fill(0.5), [
    batch,
    3,
    224,
    224,
  ]);
  const [key] = session.inputNames;
  return () => session.run({ [key]: input });
}

await useBackend('wasm');
await unregisterWasmKernels();
const { simd } = await registerWasmKernels({ simd: options.simd });
console.log(`node ${process.version}, kernels ${simd}, batch ${batch}`);
for (const name of options.models.split(',')) {
  const model = createModel(`deit_${name}_patch16_224`);
  const x = tf.fill([batch, 224, 224, 3], 0.5);
  const forward = () => {
    const y = model.predict(x);
    y.dataSync();
    y.dispose();
  };
  const contenders = [forward];
  if (options.ort) contenders.push(await openOrt(name));
  const rounds = Number(options.rounds);
  const [ours, ort] = (await race(contenders, rounds)).map(median);
  const ratio = ort ? `, onnxruntime-web ${ort.toFixed(1)} ms, ratio ${(ours / ort).toFixed(3)}` : '';
  console.log(`${name}: ${ours.toFixed(1)} ms${ratio}`);
  for (const [kernel, ms] of await profile(forward, Math.min(rounds, 7))) {
    console.log(`    ${kernel.padEnd(26)} ${ms.toFixed(2).padStart(8)} ms`);
  }
  model.dispose();
  x.dispose();
}
