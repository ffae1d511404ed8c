/** Threads that decode, resize and normalise images for classify, so that the event loop stays free. */
import { availableParallelism } from 'node:os';
import { UserError } from '../errors.js';
import type { Preprocessing } from '../image/types.js';
import { loadSharp } from './sharp.js';
import { startWorkerPool, type WorkerPool } from './workerPool.js';

/** What a thread prepares: a file, a file's bytes, pixels of 3 or 4 bytes, or levels of a tensor. */
export type ImageWork =
  | { readonly file: string }
  | { readonly bytes: Uint8Array; readonly label?: string }
  | { readonly pixels: Uint8Array; readonly width: number; readonly height: number }
  | { readonly levels: Float32Array | Int32Array; readonly width: number; readonly height: number };

/** An image as a model's input, float32 [H, W, 3], or one line that says why it is none. */
export type PreparedImage = { readonly data: Float32Array<ArrayBuffer> } | { readonly message: string };

/** What a thread is sent. */
export interface ImageJob {
  readonly work: ImageWork;
  readonly preprocessing: Preprocessing;
}

/** Half the logical cores, as the engine needs the rest; each thread has a heap of its own, and four outrun any model. */
const THREADS = Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)));
/** Images that a thread has at once: one is decoded by sharp's own thread while another is resized. */
const A_THREAD = 2;
/** Threads without work end after this time, in ms. */
const IDLE_MS = 30_000;

let pool: WorkerPool<ImageJob, PreparedImage> | undefined;
/** Set once threads do not start here: what cannot be sent away is prepared in the calling thread. */
let unusable = false;
let idle: NodeJS.Timeout | undefined;
let inWork = 0;
const waiting: (() => void)[] = [];

/** Whether images can be sent to threads, as far as is known. */
export function hasImageThreads(): boolean {
  return !unusable;
}

/**
 * Prepares an image in a thread, float32 [H, W, 3], or gives undefined if no thread starts here.
 *
 * @param gather gives the work once its turn has come: what waits takes no memory
 * @throws UserError if the image cannot be read
 */
export async function prepareInThread(
  gather: () => Promise<ImageWork>,
  preprocessing: Preprocessing,
  signal?: AbortSignal,
): Promise<Float32Array | undefined> {
  await turn();
  try {
    signal?.throwIfAborted();
    const work = await gather();
    signal?.throwIfAborted();
    const prepared = await answerTo({ work, preprocessing });
    if (prepared && 'message' in prepared) throw new UserError(prepared.message);
    return prepared?.data;
  } finally {
    inWork--;
    waiting.shift()?.();
    if (inWork === 0) endWhenIdle();
  }
}

/** Waits until fewer images are in work than the threads can have. */
async function turn(): Promise<void> {
  while (inWork >= THREADS * A_THREAD) await new Promise<void>((resolve) => waiting.push(resolve));
  inWork++;
  clearTimeout(idle);
}

/** Undefined if no thread starts here. */
async function answerTo(job: ImageJob): Promise<PreparedImage | undefined> {
  if (unusable) return undefined;
  // sharp must be loaded in the main thread before any worker loads it. Where it cannot be, the worker says so.
  await loadSharp().catch(() => {});
  pool ??= startWorkerPool<ImageJob, PreparedImage>({
    workers: THREADS,
    lazy: true,
    url: new URL('./imageWorker.js', import.meta.url),
    workerData: undefined,
    purpose: 'prepare images',
    // Shared memory: nothing is copied, and it is still there if the job has to be sent again.
    pack: (message) => ({ message, transfer: [] }),
    giveUp: ({ work }, reason) => ({
      message: `${nameOf(work)}: the thread that prepared it died twice (${reason})`,
    }),
  });
  try {
    return await pool.run(job);
  } catch {
    unusable = true;
    return undefined;
  }
}

function nameOf(work: ImageWork): string {
  if ('file' in work) return work.file;
  return ('bytes' in work ? work.label : undefined) ?? 'image';
}

function endWhenIdle(): void {
  clearTimeout(idle);
  idle = setTimeout(() => {
    void pool?.close();
    pool = undefined;
  }, IDLE_MS).unref();
}
