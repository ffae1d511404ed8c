/** What is measured of every GPU engine: the same images, the difference from WASM, images in and logits out. */
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../dist/src/backend.js';
import { largestDifference, makeImages, makeModel } from '../lib/models.mjs';
import { median } from '../lib/race.mjs';

/** Images that are made; larger batches have them again and again. */
const DISTINCT = 8;
/** Images whose logits are compared. */
const COMPARED = 2;
/** Batches under way at once where throughput is measured. */
const LANES = 3;

/** A model on WASM, batches of images for it, and its logits of the first ones. */
export async function reference(name) {
  await useBackend('wasm');
  const model = makeModel(name);
  const [height, width] = model.config.imgSize;
  const pixels = height * width * 3;
  const images = makeImages(DISTINCT);
  const batchOf = (batch) => {
    const all = new Float32Array(batch * pixels);
    for (let at = 0; at < all.length; at += images.length) all.set(images.subarray(0, all.length - at), at);
    return all;
  };
  const x = tf.tensor4d(batchOf(COMPARED), [COMPARED, height, width, 3]);
  const expected = tf.tidy(() => model.predict(x).dataSync().slice());
  x.dispose();
  return { model, batchOf, expected };
}

async function timed(run) {
  const started = performance.now();
  await run();
  return performance.now() - started;
}

/** Milliseconds of each run, for so many milliseconds and at least five runs. */
async function until(milliseconds, run) {
  const times = [];
  const started = performance.now();
  while (times.length < 5 || performance.now() - started < milliseconds) times.push(await timed(run));
  return times;
}

/**
 * @param run gives a batch's logits
 * @returns the first run's time and the median of one alone in ms, and how far the logits are from WASM's
 */
export async function latencyOf(run, batch, expected, milliseconds) {
  const compile = await timed(run);
  const logits = await run();
  const count = Math.min(COMPARED, batch) * (logits.length / batch);
  const difference = largestDifference(expected.subarray(0, count), logits.subarray(0, count));
  return { compile, latency: median(await until(milliseconds / 2, run)), difference };
}

/** Images a second with several batches under way. */
export async function throughputOf(run, batch, milliseconds) {
  const started = performance.now();
  let done = 0;
  const lane = async () => {
    while (performance.now() - started < milliseconds) {
      await run();
      done += batch;
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return (1000 * done) / (performance.now() - started);
}

/** A line of JSON for each batch: what `measure(batch)` gives, or its error. Then the process ends, whatever holds it. */
export async function report(facts, batches, measure) {
  for (const batch of batches) {
    const result = await measure(batch).catch(({ message }) => ({ error: message }));
    console.log(JSON.stringify({ ...facts, batch, ...result }));
  }
  process.exit(0);
}
