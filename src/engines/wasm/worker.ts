/**
 * What a worker runs: it sleeps until there is a job, takes part in it, and tells the main thread if it did the last
 * task. It says that it is in a job before it looks whether it may be: the main thread closes a job first, and then waits
 * for those who are in it, so that none reads a program that is being replaced.
 */
import { ACTIVE, ARGUMENTS, CONTROL, JOB, LIMIT, OPEN, STOPPED } from './control.js';

/** What a worker is told when it starts. */
export interface WorkerStart {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly thread: number;
}

/** What a worker says. */
export type WorkerMessage = { ready: true } | { finished: number } | { failed: string; job: number };

/** A classic script; `onmessage` and `postMessage` are those of web workers. */
export const WORKER_SOURCE = `
onmessage = ({ data: { module, memory, thread } }) => {
  const { execute } = new WebAssembly.Instance(module, { env: { memory } }).exports;
  const words = new Int32Array(memory.buffer, ${CONTROL}, 256);
  const active = ${ACTIVE} + thread;
  postMessage({ ready: true });
  for (let job = 0; ; ) {
    Atomics.wait(words, ${JOB}, job);
    job = Atomics.load(words, ${JOB});
    if (Atomics.load(words, ${OPEN}) < 0) return;
    let finished = 0;
    Atomics.store(words, active, 1);
    if (Atomics.load(words, ${OPEN}) === job && thread < words[${LIMIT}]) {
      const [groups, count, own, ownBytes, threadBytes] = words.subarray(${ARGUMENTS});
      const mine = own + thread * threadBytes;
      try {
        finished = execute(groups, count, ${CONTROL}, mine, mine + ownBytes, 1, 0x7fffffff);
      } catch (error) {
        Atomics.store(words, ${STOPPED}, 1);
        postMessage({ failed: String(error), job });
      }
    }
    Atomics.store(words, active, 0);
    if (finished) postMessage({ finished: job });
  }
};
`;
