/**
 * RegNetY-16GF, DeiT's teacher, on the WASM backend: what an image costs, and the ways to compute its grouped
 * convolutions, which tfjs has none for. In milliseconds of processor time (one thread), minima, so that other work on the
 * machine counts little.
 *
 *     npm run build && node bench/regnet.mjs [CHECKPOINT [--logits FILE.f32]] [--batch 1] [--rounds 5]
 *
 * CHECKPOINT: a RegNet's .pth; FILE: what PyTorch gives for the image of sines, float32 (both made by
 * test/fixtures/make_regnet.py full FOLDER). Without them the convolutions alone are measured.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../dist/src/backend.js';
import { loadAny } from '../dist/src/models/loadAny.js';
import { openAnyModel } from '../dist/src/node/openModel.js';
import { groupedConvolve3x3, linear } from '../dist/src/ops/index.js';

const { values: options, positionals } = parseArgs({
  options: {
    logits: { type: 'string' },
    batch: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
  },
  allowPositionals: true,
});
const batch = Number(options.batch);
const GROUP = 112;

function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Least processor time of several runs; the first, which packs weights, does not count. */
function measure(work) {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round <= Number(options.rounds); round++) {
    const start = processorTime();
    const y = work();
    y.dataSync();
    if (round > 0) least = Math.min(least, processorTime() - start);
    y.dispose();
  }
  return least;
}

/** Each group's 3 × 3 windows as rows, then a matrix product on our kernel. */
function byWindows(x, matrices) {
  const [count, height, width] = x.shape;
  return tf.tidy(() => {
    /** @type {[number, number][]} */
    const border = [
      [0, 0],
      [1, 1],
      [1, 1],
      [0, 0],
    ];
    const padded = tf.pad(x, border);
    const outputs = matrices.map((matrix, group) => {
      const taps = Array.from({ length: 9 }, (_, tap) =>
        tf.slice(padded, [0, Math.floor(tap / 3), tap % 3, group * GROUP], [count, height, width, GROUP]),
      );
      return linear(tf.reshape(tf.concat(taps, 3), [count * height * width, 9 * GROUP]), matrix);
    });
    return tf.reshape(tf.concat(outputs, 1), x.shape);
  });
}

function convolutions() {
  console.log(`grouped 3 × 3 convolutions of RegNetY-16GF, groups of ${GROUP}, batch ${batch}`);
  for (const [side, channels] of [
    [56, 224],
    [28, 448],
    [14, 1232],
    [7, 3024],
  ]) {
    /** @type {tf.Tensor4D} */
    const x = tf.randomNormal([batch, side, side, channels]);
    /** @type {tf.Tensor4D[]} */
    const kernels = Array.from({ length: channels / GROUP }, () => tf.randomNormal([3, 3, GROUP, GROUP]));
    const matrices = kernels.map((kernel) => tf.clone(tf.reshape(kernel, [9 * GROUP, GROUP])));
    const split = measure(() => groupedConvolve3x3(x, kernels, 1));
    const windows = measure(() => byWindows(x, matrices));
    const macs = (batch * side * side * channels * 9 * GROUP) / 1e9;
    console.log(
      `${side} × ${side} × ${channels}: a convolution a group ${split.toFixed(1)} ms, windows and matrix products ` +
        `${windows.toFixed(1)} ms (${macs.toFixed(2)} GMAC)`,
    );
    tf.dispose([x, ...kernels, ...matrices]);
  }
}

async function network(path) {
  const opened = await openAnyModel(path);
  const model = await loadAny(opened.source);
  await opened.close();
  const values = Float32Array.from({ length: 224 * 224 * 3 }, (_, i) => Math.sin(i * 0.37));
  const one = tf.tensor4d(values, [1, 224, 224, 3]);
  const x = tf.concat(Array(batch).fill(one));
  console.log(`${model.config.name}: ${(measure(() => model.predict(x)) / batch).toFixed(0)} ms an image`);
  if (options.logits) {
    const bytes = new Uint8Array(readFileSync(options.logits));
    const expected = new Float32Array(bytes.buffer);
    const found = Array.from(model.predict(one).dataSync());
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const off = found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
    console.log(`largest difference from PyTorch's logits, relative to the largest: ${off / largest}`);
  }
  model.dispose();
}

await useBackend('wasm');
convolutions();
if (positionals.length > 0) await network(positionals[0]);
