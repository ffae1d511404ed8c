/** Runs cases one after another and tells of each; checkpoints.ts watches from outside. */
import { parentPort, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { parseOutcome } from '../converters/formats/outcome.js';
import { type FuzzCase, fuzzCases } from './cases.js';

/** Cases of one batch. A batch has its own seed, so that a run can go on in its middle. */
const BATCH = 500;

export interface WorkerTask {
  readonly seed: number;
  /** Numbers of the first case and of the one after the last. */
  readonly first: number;
  readonly end: number;
  /** One number shared with the watcher: the case being run. */
  readonly current: Int32Array;
}

export interface CaseReport {
  readonly number: number;
  readonly kind: string;
  readonly outcome: 'result' | 'error' | 'crash';
  readonly milliseconds: number;
  /** A crash's stack, and its input. */
  readonly detail?: string;
  readonly bytes?: Uint8Array;
}

async function runAll({ seed, first, end, current }: WorkerTask): Promise<void> {
  const cases = await fuzzCases();
  for (let batch = Math.floor(first / BATCH); batch * BATCH < end; batch++) {
    const inputs = fc.sample(cases, { seed: seed + batch, numRuns: BATCH });
    for (let i = Math.max(0, first - batch * BATCH); i < BATCH && batch * BATCH + i < end; i++) {
      const number = batch * BATCH + i;
      Atomics.store(current, 0, number);
      parentPort!.postMessage(await runOne(number, inputs[i]!));
    }
  }
}

async function runOne(number: number, { kind, bytes }: FuzzCase): Promise<CaseReport> {
  const begin = performance.now();
  try {
    const outcome = (await parseOutcome(bytes)) === undefined ? 'result' : 'error';
    return { number, kind, outcome, milliseconds: performance.now() - begin };
  } catch (error) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { number, kind, outcome: 'crash', milliseconds: performance.now() - begin, detail, bytes };
  }
}

await runAll(workerData as WorkerTask);
