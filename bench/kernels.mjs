/**
 * Where the time of a forward pass goes on the WASM backend, one thread: each kernel's share; medians.
 *
 *     npm run build && node bench/kernels.mjs [--models tiny,small,base] [--rounds 15] [--batch 1] [--simd simd]
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../dist/src/backend.js';
import { registerWasmKernels, unregisterWasmKernels } from '../dist/src/kernels/wasm/index.js';
import { makeImages, makeModel } from './lib/models.mjs';
import { median } from './lib/race.mjs';

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: 'tiny,small,base' },
    rounds: { type: 'string', default: '15' },
    batch: { type: 'string', default: '1' },
    simd: { type: 'string', default: 'relaxed' },
  },
});
const batch = Number(options.batch);

/** Median time of each kind of kernel in one forward pass, by putting a clock around every kernel. */
async function profile(forward, rounds) {
  const engine = tf.engine();
  const runKernel = engine.runKernel.bind(engine);
  const perRound = [];
  /** @type {Record<string, number>} */
  let sums = {};
  /** @type {(...args: any[]) => any} */
  const timed = (name, inputs, attrs) => {
    const start = performance.now();
    const result = runKernel(name, inputs, attrs);
    const shape = name === 'DeitLinear' ? ` ${inputs.kernel.shape.join('×')}` : '';
    sums[name + shape] = (sums[name + shape] ?? 0) + performance.now() - start;
    return result;
  };
  engine.runKernel = timed;
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

await useBackend('wasm');
await unregisterWasmKernels();
const { simd } = await registerWasmKernels({
  simd: /** @type {'simd' | 'relaxed'} */ (options.simd),
});
console.log(`node ${process.version}, kernels ${simd}, batch ${batch}`);
for (const name of options.models.split(',')) {
  const model = makeModel(name);
  const x = tf.tensor4d(makeImages(batch), [batch, 224, 224, 3]);
  const forward = () => {
    const y = model.predict(x);
    y.dataSync();
    y.dispose();
  };
  for (let i = 0; i < 5; i++) forward();
  console.log(name);
  for (const [kernel, ms] of await profile(forward, Number(options.rounds))) {
    console.log(`    ${kernel.padEnd(26)} ${ms.toFixed(2).padStart(8)} ms`);
  }
  model.dispose();
  x.dispose();
}
