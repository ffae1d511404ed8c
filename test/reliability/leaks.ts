/**
 * Does the same thing many times and tells what is left over: leaks.js predictions|loads COUNT
 * Prints one JSON object: what the process held after a tenth of the turns, and at the end.
 */
import { readdirSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import * as deit from '../../src/node/index.js';

const MODEL = 'examples/digits/deit_digits_distilled.pth';
const PICTURE = 'examples/digits/val/0/00003.png';

/** What a process holds. */
export interface Held {
  tensors: number;
  /** Bytes of tensors. */
  tensorBytes: number;
  /** Resident memory in bytes. */
  rss: number;
  /** Open files, or 0 where the system does not say. */
  files: number;
}

function held(): Held {
  globalThis.gc?.();
  const { numTensors, numBytes } = tf.memory();
  let files = 0;
  try {
    files = readdirSync('/proc/self/fd').length;
  } catch {}
  return { tensors: numTensors, tensorBytes: numBytes, rss: process.memoryUsage().rss, files };
}

async function predictions(): Promise<() => Promise<void>> {
  const model = await deit.load(MODEL, { backend: 'wasm' });
  return async () => {
    const [{ label }] = await model.classify(PICTURE);
    if (label !== '0') throw new Error(`a 0 was read as ${label}`);
  };
}

async function loads(): Promise<() => Promise<void>> {
  return async () => {
    const model = await deit.load(MODEL, { backend: 'wasm' });
    const x = tf.zeros<tf.Rank.R4>([1, 28, 28, 3]);
    const logits = model.predict(x);
    tf.dispose([x, logits]);
    model.dispose();
  };
}

const [what, count] = [process.argv[2], Number(process.argv[3])];
const turn = await (what === 'predictions' ? predictions() : loads());
let early: Held | undefined;
for (let i = 0; i < count; i++) {
  await turn();
  if (i === Math.floor(count / 10)) early = held();
}
console.log(JSON.stringify({ early, end: held() }));
