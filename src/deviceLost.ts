/**
 * Backends whose device goes away while they run: a lost WebGL context, a GPU that was reset. Their operations then
 * give nothing or never end, with no error of tfjs' own. src/browser reports the loss; models ask here.
 */
import type * as tf from '@tensorflow/tfjs-core';
import { UserError } from './errors.js';
import { withTimeLimit } from './timeLimit.js';

/** No forward pass takes so long; a read that does waits for a device that says nothing any more. */
const READ_TIMEOUT_MS = 120_000;

/** The device of a backend is gone: what else is asked of the model will fail too. */
export class DeviceLost extends UserError {
  /** @param what what happened, without what to do */
  constructor(
    readonly what: string,
    whatToDo: string,
    readonly outOfMemory = false,
  ) {
    super(`${what}${whatToDo}`);
  }
}

interface Watch {
  error: UserError | undefined;
  /** Rejects when the device is lost. */
  readonly lost: Promise<never>;
}

const watches = new Map<string, Watch>();

/** Watches a backend's new device; returns a function that reports the device as lost. */
export function watchBackend(name: string): (reason: string) => void {
  let reject!: (error: UserError) => void;
  const lost = new Promise<never>((_, fail) => {
    reject = fail;
  });
  lost.catch(() => {}); // a loss between two reads is reported by the next checkBackend
  const watch: Watch = { error: undefined, lost };
  watches.set(name, watch);
  return (reason) => {
    const outOfMemory = reason.startsWith('out of memory');
    const smaller = outOfMemory ? ', and give it smaller batches' : '';
    watch.error = new DeviceLost(
      `the ${name} backend lost its GPU (${reason})`,
      `, and the model’s weights with it; load the model again${smaller}`,
      outOfMemory,
    );
    reject(watch.error);
  };
}

export function isLost(name: string): boolean {
  return watches.get(name)?.error !== undefined;
}

/** Throws a UserError if the backend of this name has lost its device. */
export function checkBackend(name: string): void {
  const { error } = watches.get(name) ?? {};
  if (error) throw error;
}

/** The values of a tensor on the named backend; rejects with a UserError if its device is lost before they are there. */
export function readValues(tensor: tf.Tensor, name: string): Promise<Float32Array> {
  return whileThere(tensor.data<'float32'>(), name);
}

/** What `promise` gives; rejects with a UserError if the device of the named backend is lost before. */
export async function whileThere<T>(promise: Promise<T>, name: string): Promise<T> {
  const watch = watches.get(name);
  if (!watch) return promise;
  const giveUp = () => {
    throw new DeviceLost(
      `the ${name} backend gave no result within ${READ_TIMEOUT_MS / 1000} s`,
      '; load the model again on another backend',
    );
  };
  try {
    return await withTimeLimit(Promise.race([promise, watch.lost]), READ_TIMEOUT_MS, giveUp);
  } catch (error) {
    throw watch.error ?? error;
  }
}
