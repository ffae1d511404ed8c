/**
 * Parses one file in a process of its own and tells how long it took and how much memory: bombChild.js FILE
 * Time is that of the processor where it is less than the clock's, since other work on the machine delays the latter.
 */
import { readFileSync } from 'node:fs';
import { parseOutcome } from '../converters/formats/outcome.js';

export interface BombReport {
  readonly outcome: 'result' | 'error' | 'crash';
  readonly milliseconds: number;
  /** Peak above what the process took with the input read. */
  readonly bytes: number;
  readonly detail?: string;
}

async function measure(input: Uint8Array): Promise<BombReport> {
  const base = process.memoryUsage().rss;
  const begin = performance.now();
  const beginCpu = process.cpuUsage();
  let end: Pick<BombReport, 'outcome' | 'detail'>;
  try {
    const message = await parseOutcome(input);
    end = message === undefined ? { outcome: 'result' } : { outcome: 'error', detail: message };
  } catch (error) {
    end = {
      outcome: 'crash',
      detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
    };
  }
  const { user, system } = process.cpuUsage(beginCpu);
  const milliseconds = Math.min(performance.now() - begin, (user + system) / 1000);
  return { ...end, milliseconds, bytes: process.resourceUsage().maxRSS * 1024 - base };
}

process.send!(await measure(new Uint8Array(readFileSync(process.argv[2]!))));
