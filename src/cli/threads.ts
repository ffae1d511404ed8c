import { availableParallelism, freemem } from 'node:os';
import { useBackend } from '../backend.js';
import '../node/backends.js';
import type { VitConfig } from '../families/vit/config.js';
import { countParameters } from '../families/vit/flops.js';
import { say } from './print.js';

/** Makes a backend the current one and says on stderr which it is and why. */
export async function chooseBackend(name: string): Promise<string> {
  const choice = await useBackend(name);
  for (const line of choice.passedOver) say(`backend passed over: ${line}`);
  say(`backend: ${choice.description}`);
  return choice.backend;
}

/** Threads that `--workers` has by default. */
export function defaultWorkers(): number {
  return Math.min(16, availableParallelism());
}

/** Memory of a thread beside its weights, in bytes: Node, decoded pictures, activations of a batch. */
const THREAD_BYTES = 300e6;

/**
 * Number of threads with a model each; below 2 the model runs in the main thread. WASM runs one thread in Node, so it
 * takes a model a thread to keep every core busy, as many as fit in half of the free memory (each holds its weights
 * twice: as they are and packed). Native TensorFlow has threads of its own.
 */
export function scoreThreads(config: VitConfig, backend: string, workers: number): number {
  if (backend !== 'wasm') return 0;
  const bytes = 2 * 4 * countParameters(config) + THREAD_BYTES;
  return Math.min(workers, Math.floor(freemem() / 2 / bytes));
}
