/**
 * Threads for kernels on shared memory: workers that sleep until a kernel is called, then take part in it. A kernel hands
 * out its work in chunks (assembly/workQueue.ts), so that it needs none of the workers to come: one that is late, or whose
 * core is busy, costs nothing but its help.
 */
import type { KernelExports } from './kernelModule.js';

/** The kernels that several threads can run at once; each takes a queue and the thread's number as its last arguments. */
const SHARED_KERNELS = [
  'linear',
  'patchEmbed',
  'layerNorm',
  'attention',
  'quantizedBlock',
  'quantizedSums',
] as const;
type SharedKernel = (typeof SHARED_KERNELS)[number];

/** What a team needs of a worker; those of pages have it. */
export interface KernelWorker {
  onmessage: ((event: { data: unknown }) => void) | null;
  onerror: ((event: unknown) => void) | null;
  postMessage(message: unknown): void;
  terminate(): void;
}

/** Starts a worker that runs `source` as a classic script. */
export type SpawnWorker = (source: string) => KernelWorker;

export interface Team {
  /** The kernels, run by all threads. */
  readonly kernels: KernelExports;
  /** Settles when every worker has started or failed to: the number of threads, the calling one among them. */
  readonly ready: Promise<number>;
  /** Ends the workers. */
  close(): void;
}

/** The words of the control block, in shared memory; the queue of assembly/workQueue.ts stands at its head. */
const TAKEN = 0;
const DONE = 1;
const FAILED = 2;
const THREADS = 3;
/** Whether workers may join the call at hand. */
const OPEN = 16;
/** Workers that have joined. */
const ACTIVE = 17;
/** Which of SHARED_KERNELS is called. */
const KERNEL = 18;
/** Counts the calls; workers wait for it to change. */
const CALLS = 32;
/** Where the arguments stand, as float64. */
const ARGUMENTS_BYTE = 256;
const MOST_ARGUMENTS = 32;
export const CONTROL_BYTES = ARGUMENTS_BYTE + MOST_ARGUMENTS * 8;

/** Turns of its loop that a worker waits awake, about 50 µs: within a forward pass the next call comes sooner. */
const SPINS = 50_000;

/**
 * What a worker runs. It may be told to leave only while it has not joined: joining and then looking whether the call is
 * open leaves no gap, because the caller closes first and then waits for those that have joined.
 */
const WORKER_SOURCE = `
onmessage = ({ data: { module, memory, control, thread, names } }) => {
  const kernels = new WebAssembly.Instance(module, { env: { memory } }).exports;
  const words = new Int32Array(memory.buffer, control, ${ARGUMENTS_BYTE / 4});
  const values = new Float64Array(memory.buffer, control + ${ARGUMENTS_BYTE}, ${MOST_ARGUMENTS});
  postMessage('ready');
  for (let calls = 0; ; ) {
    for (let i = 0; i < ${SPINS} && Atomics.load(words, ${CALLS}) === calls; i++);
    Atomics.wait(words, ${CALLS}, calls);
    calls = Atomics.load(words, ${CALLS});
    Atomics.add(words, ${ACTIVE}, 1);
    if (Atomics.load(words, ${OPEN}) === 1) {
      const kernel = kernels[names[words[${KERNEL}]]];
      try {
        kernel(...values.subarray(0, kernel.length - 2), control, thread);
      } catch (error) {
        Atomics.store(words, ${FAILED}, 1);
      }
    }
    Atomics.sub(words, ${ACTIVE}, 1);
  }
};
`;

/**
 * @param kernels instance of `module` on `memory`, for the calling thread
 * @param memory shared
 * @param control address of CONTROL_BYTES bytes in it, a multiple of 64
 * @param threads how many in all, at least 1
 */
export function startTeam(
  kernels: KernelExports,
  module: WebAssembly.Module,
  memory: WebAssembly.Memory,
  control: number,
  threads: number,
  spawn: SpawnWorker = spawnPageWorker,
): Team {
  const words = new Int32Array(memory.buffer, control, ARGUMENTS_BYTE / 4).fill(0);
  const values = new Float64Array(memory.buffer, control + ARGUMENTS_BYTE, MOST_ARGUMENTS);
  words[THREADS] = threads;

  const workers: KernelWorker[] = [];
  const started: Promise<boolean>[] = [];
  for (let thread = 1; thread < threads; thread++) {
    const worker = spawn(WORKER_SOURCE);
    workers.push(worker);
    started.push(
      new Promise((resolve) => {
        worker.onmessage = () => resolve(true);
        worker.onerror = () => resolve(false);
      }),
    );
    worker.postMessage({ module, memory, control, thread, names: SHARED_KERNELS });
  }

  const call = (kernel: number, args: readonly unknown[]) => {
    args.forEach((arg, i) => {
      values[i] = Number(arg);
    });
    words[KERNEL] = kernel;
    words[TAKEN] = 0;
    words[DONE] = 0;
    words[FAILED] = 0;
    Atomics.store(words, OPEN, 1);
    Atomics.add(words, CALLS, 1);
    Atomics.notify(words, CALLS);
    try {
      (kernels[SHARED_KERNELS[kernel]!] as (...args: unknown[]) => void)(...args, control, 0);
    } catch (error) {
      Atomics.store(words, FAILED, 1);
      throw error;
    } finally {
      Atomics.store(words, OPEN, 0);
      while (Atomics.load(words, ACTIVE) !== 0);
    }
    if (Atomics.load(words, FAILED)) throw new Error('WASM kernels: a thread failed');
  };

  const shared = Object.fromEntries(
    SHARED_KERNELS.map((name, i) => [name, (...args: unknown[]) => call(i, args)]),
  ) as Pick<KernelExports, SharedKernel>;
  return {
    kernels: {
      ...kernels,
      ...shared,
      linearScratchBytes: (m, k, unit) => kernels.linearScratchBytes(m, k, unit, threads),
      attentionScratchBytes: (t, d) => kernels.attentionScratchBytes(t, d, threads),
      quantizedBlockScratchBytes: (t, d, heads, hidden, prefix) =>
        kernels.quantizedBlockScratchBytes(t, d, heads, hidden, prefix, threads),
      quantizedSumsScratchBytes: (m, k, precise) => kernels.quantizedSumsScratchBytes(m, k, precise, threads),
    },
    ready: Promise.all(started).then((all) => 1 + all.filter(Boolean).length),
    close() {
      for (const worker of workers) worker.terminate();
    },
  };
}

/**
 * How many threads to use: half the logical cores, as two of them often share one core's arithmetic, at least two
 * where there are two, and no more than eight.
 */
export function defaultThreads(cores = globalThis.navigator?.hardwareConcurrency ?? 1): number {
  return Math.min(cores, Math.max(2, Math.ceil(cores / 2)), 8);
}

function spawnPageWorker(source: string): KernelWorker {
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  try {
    return new Worker(url) as unknown as KernelWorker;
  } finally {
    // The worker has taken hold of the blob by now (HTML standard: its URL is resolved when the worker is made).
    URL.revokeObjectURL(url);
  }
}
