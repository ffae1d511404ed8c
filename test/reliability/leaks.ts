/**
 * Does the same thing many times and tells what is left over: leaks.js predictions|loads|epochs COUNT
 * Prints one JSON object: what the process held after a tenth of the turns, and at the end.
 */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as deit from '../../src/node/index.js';
import { writeDigits } from '../node/train/digitsFolder.js';

const MODEL = 'examples/digits/deit_digits_distilled.pth';
const IMAGE = 'examples/digits/val/0/00003.png';

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
    const [best] = await model.classify(IMAGE);
    if (best?.label !== '0') throw new Error(`a 0 was read as ${best?.label}`);
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

/** Runs turns one by one. */
async function repeat(
  turn: () => Promise<void>,
  count: number,
  onTurn: (number: number) => void,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    await turn();
    onTurn(i);
  }
}

/** Trains a small distilled student, 10 steps an epoch, with all that a run keeps. */
async function epochs(count: number, onTurn: (number: number) => void): Promise<void> {
  const path = await writeDigits(320, 40);
  const output = await mkdtemp(join(tmpdir(), 'deit-leaks-'));
  await deit.useBackend('wasm');
  const config = deit.resolveTrainConfig({
    model: { imgSize: 28, patchSize: 7, embedDim: 32, depth: 3, numHeads: 2, dropPathRate: 0.2 },
    data: { format: 'mnist', path },
    val: { format: 'mnist', path },
    batchSize: 32,
    emaDecay: 0.9,
    schedule: { epochs: count, warmupEpochs: 1 },
    workers: 1,
    backend: 'wasm',
    output: join(output, 'run'),
  });
  await deit.runTraining(config, { onEpoch: ({ epoch }) => onTurn(epoch) });
  await rm(output, { recursive: true });
}

const [what, count] = [process.argv[2], Number(process.argv[3])];
let early: Held | undefined;
let end: Held | undefined;
const onTurn = (number: number) => {
  if (number === Math.floor(count / 10)) early = held();
  if (number === count - 1) end = held();
};
if (what === 'predictions') await repeat(await predictions(), count, onTurn);
else if (what === 'loads') await repeat(await loads(), count, onTurn);
else await epochs(count, onTurn);
console.log(JSON.stringify({ early, end }));
