/** The block of shared memory through which the main thread and its workers share a program. */

/** Where it lies: behind the module's constants. */
export const CONTROL = 65536;

// Indices of words; the first four are those of assembly/control.ts.
export const TAKEN = 0;
export const DONE = 16;
export const STOPPED = 32;
export const SLEEPERS = 48;
/** Counts the jobs; workers wait for it to change. */
export const JOB = 64;
/** The job that workers may join, or 0; -1 where there will be none any more. */
export const OPEN = 65;
/** Workers from this number on leave the job to others. */
export const LIMIT = 66;
/** Arguments of execute: groups, count, own memory of thread 0, bytes of it, bytes of a thread. */
export const ARGUMENTS = 68;
/** For each worker, whether it is in a job. */
export const ACTIVE = 96;

/** More would not find work in a model's rows. */
export const MOST_THREADS = 64;

const WORDS = ACTIVE + MOST_THREADS;
export const CONTROL_BYTES = 1024;

export function controlWords(memory: WebAssembly.Memory): Int32Array {
  return new Int32Array(memory.buffer, CONTROL, WORDS);
}
