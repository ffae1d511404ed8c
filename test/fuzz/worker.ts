/** Runs cases one after another and tells of each; checkpoints.ts watches from outside. */
import { parentPort, workerData } from 'node:worker_threads';
import fc from 'fast-check';
import { parseOutcome } from '../converters/formats/outcome.js';
import { fuzzCases } from './cases.js';
import { convertCases } from './convertCases.js';
import { convertOutcome } from './convertOutcome.js';

/** Cases of one batch. A batch has its own seed, so that a run can go on in its middle. */
const BATCH = 500;

/** What is done with a case: parsed and read, or converted and exported as well. */
export type Suite = 'parse' | 'convert';

export interface WorkerTask {
  readonly suite: Suite;
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

/** A case that waits to be run. */
interface Runnable {
  readonly kind: string;
  readonly bytes: Uint8Array;
  run(): Promise<string | undefined>;
}

async function casesOf(suite: Suite): Promise<fc.Arbitrary<Runnable>> {
  if (suite === 'convert')
    return convertCases().map((task) => ({ ...task, run: () => convertOutcome(task) }));
  const cases = await fuzzCases();
  return cases.map(({ kind, bytes }) => ({ kind, bytes, run: () => parseOutcome(bytes) }));
}

async function runAll({ suite, seed, first, end, current }: WorkerTask): Promise<void> {
  const cases = await casesOf(suite);
  for (let batch = Math.floor(first / BATCH); batch * BATCH < end; batch++) {
    const inputs = fc.sample(cases, { seed: seed + batch, numRuns: BATCH });
    for (let i = Math.max(0, first - batch * BATCH); i < BATCH && batch * BATCH + i < end; i++) {
      const number = batch * BATCH + i;
      Atomics.store(current, 0, number);
      parentPort!.postMessage(await runOne(number, inputs[i]!));
    }
  }
}

async function runOne(number: number, { kind, bytes, run }: Runnable): Promise<CaseReport> {
  const begin = performance.now();
  const beginCpu = process.cpuUsage();
  // The processor's time where it is less than the clock's, since other work on the machine delays the latter.
  const milliseconds = () => {
    const { user, system } = process.cpuUsage(beginCpu);
    return Math.min(performance.now() - begin, (user + system) / 1000);
  };
  try {
    const outcome = (await run()) === undefined ? 'result' : 'error';
    return { number, kind, outcome, milliseconds: milliseconds() };
  } catch (error) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return { number, kind, outcome: 'crash', milliseconds: milliseconds(), detail, bytes };
  }
}

await runAll(workerData as WorkerTask);
