/**
 * 8-bit against float32 on our own WASM kernels: one thread, the same weights, rounds interleaved.
 *
 *     npm run build && node bench/int8.mjs [--models tiny,small,base] [--rounds 15] [--batch 1] [--size 224]
 *         [--simd simd] [--wall]
 *
 * Which instructions the kernels use depends on the Node that runs this: relaxed SIMD from 22 on. Times are of the
 * processor, so that other programs do not count; --wall takes the clock's. Accuracy is measured with
 * `deit eval MODEL VAL_DIR` and the same with `--quantize int8`.
 */
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../dist/src/backend.js';
import { registerWasmKernels, unregisterWasmKernels } from '../dist/src/kernels/wasm/index.js';
import { loadFrom } from '../dist/src/models/load.js';
import { namedWeights } from '../dist/src/models/weights.js';
import { largestDifference, makeImages, makeModel } from './lib/models.mjs';
import { median, processorClock, race, wallClock } from './lib/race.mjs';

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: 'tiny,small,base' },
    rounds: { type: 'string', default: '15' },
    batch: { type: 'string', default: '1' },
    size: { type: 'string', default: '224' },
    simd: { type: 'string', default: 'relaxed' },
    wall: { type: 'boolean', default: false },
  },
});
const [batch, size] = [Number(options.batch), Number(options.size)];

/** The same model with its blocks in 8 bits, and how long that took. */
async function quantized(model) {
  const weights = namedWeights(model.layersModel);
  const readWeight = async (name) => Float32Array.from(weights.get(name).read().dataSync());
  const start = performance.now();
  const { config, labels, preprocessing } = model;
  const result = await loadFrom(
    { family: 'vit', config, labels, preprocessing, readWeight, weightBytes: 0 },
    { quantize: 'int8' },
  );
  return { int8: result, loading: performance.now() - start };
}

await useBackend('wasm');
await unregisterWasmKernels();
const { simd } = await registerWasmKernels({
  simd: /** @type {'simd' | 'relaxed'} */ (options.simd),
});
console.log(
  `node ${process.version}, kernels ${simd}, ${batch} × ${size} × ${size}, ${options.wall ? 'clock' : 'processor'} time`,
);
for (const name of options.models.split(',')) {
  const model = makeModel(name, size);
  const { int8, loading } = await quantized(model);
  const x = tf.tensor4d(makeImages(batch, size), [batch, size, size, 3]);
  const runs = [model, int8].map((one) => () => {
    const logits = one.predict(x);
    const values = logits.dataSync();
    logits.dispose();
    return values;
  });
  const times = await race(runs, Number(options.rounds), 4, options.wall ? wallClock : processorClock);
  const [float, bytes] = times.map((list) => ({ middle: median(list), least: Math.min(...list) }));
  const difference = largestDifference(...runs.map((run) => run()));
  console.log(
    `${name.padEnd(6)} float32 ${float.middle.toFixed(1)} ms (least ${float.least.toFixed(1)})  ` +
      `int8 ${bytes.middle.toFixed(1)} ms (${bytes.least.toFixed(1)})  ` +
      `ratio ${(bytes.middle / float.middle).toFixed(3)} (${(bytes.least / float.least).toFixed(3)})  ` +
      `loaded in ${(loading / 1000).toFixed(1)} s  logits differ by ${difference.toFixed(4)} of the largest`,
  );
  for (const one of [model, int8]) one.dispose();
  x.dispose();
}
