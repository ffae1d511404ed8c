/**
 * Decodes images in a process of its own, which the decoder may take down: imageChild.js SEED FIRST END
 * or imageChild.js bomb NAME. Says of each what came of it; the one in work is written to stdout before it begins.
 */
import { writeSync } from 'node:fs';
import fc from 'fast-check';
import { IMAGE_BOMBS, imageCases } from './imageCases.js';
import { imageOutcome } from './imageOutcome.js';

export interface ImageReport {
  readonly number: number;
  readonly outcome: 'result' | 'error' | 'crash';
  readonly milliseconds: number;
  /** Highest memory of the process so far beyond what it had before the first case, in bytes. */
  readonly bytes: number;
  readonly detail?: string;
}

const BATCH = 500;
let base = 0;

async function report(number: number, bytes: Uint8Array): Promise<ImageReport> {
  const begin = performance.now();
  const beginCpu = process.cpuUsage();
  let end: Pick<ImageReport, 'outcome' | 'detail'>;
  try {
    const message = await imageOutcome(bytes);
    end = message === undefined ? { outcome: 'result' } : { outcome: 'error', detail: message };
  } catch (error) {
    end = { outcome: 'crash', detail: (error as Error).stack };
  }
  const { user, system } = process.cpuUsage(beginCpu);
  const milliseconds = Math.min(performance.now() - begin, (user + system) / 1000);
  return { number, ...end, milliseconds, bytes: process.resourceUsage().maxRSS * 1024 - base };
}

async function runBomb(name: string): Promise<void> {
  const bytes = IMAGE_BOMBS.find(([other]) => other === name)![1]();
  await imageOutcome(new Uint8Array(4)); // what loading the decoder takes is not the bomb's
  base = process.resourceUsage().maxRSS * 1024;
  process.send!(await report(0, bytes));
}

async function runCases(seed: number, first: number, end: number): Promise<void> {
  const cases = imageCases();
  base = process.memoryUsage().rss;
  for (let batch = Math.floor(first / BATCH); batch * BATCH < end; batch++) {
    const inputs = fc.sample(cases, { seed: seed + batch, numRuns: BATCH });
    for (let i = Math.max(0, first - batch * BATCH); i < BATCH && batch * BATCH + i < end; i++) {
      const number = batch * BATCH + i;
      writeSync(1, `${number}\n`);
      process.send!(await report(number, inputs[i]!));
    }
  }
}

const [mode, ...rest] = process.argv.slice(2);
if (mode === 'bomb') await runBomb(rest[0]!);
else await runCases(Number(mode), Number(rest[0]), Number(rest[1]));
process.disconnect();
