/**
 * Hostile checkpoints: npm run fuzz -- [CASES] [SEED] [--json]
 *
 * Every case must end in a result or in one UserError of one line, within 2 s and 512 MB beyond the input. Cases are
 * parsed and read; a twentieth as many more, made of whole models, are converted and exported to nowhere. Prints a table, and exits 1 if a column that should be zero is not. Failing inputs are kept in the system's temporary folder.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { BombReport } from './bombChild.js';
import { type Bomb, LARGE_BOMBS, SMALL_BOMBS } from './bombs.js';
import { FuzzTable, MAX_BYTES, MAX_MILLISECONDS } from './table.js';
import type { CaseReport, Suite, WorkerTask } from './worker.js';

const DEFAULT_CASES = 100_000;

/** After so long by the clock a case is given up, and whatever runs it with it: other work may hold it up for seconds. */
const GIVE_UP_MILLISECONDS = 15 * MAX_MILLISECONDS;

/** Cases that are parsed, for each that is converted. */
const PARSED_PER_CONVERTED = 20;

const SAMPLE_MILLISECONDS = 10;

/** Inputs of failed cases that are kept. */
const MAX_KEPT = 20;

const table = new FuzzTable();
const folder = mkdtempSync(join(tmpdir(), 'deit-fuzz-'));
let kept = 0;
/** Peak of this process while it ran the cases, one after another: no single case took more. */
let processBytes = 0;

const count = argument(2, DEFAULT_CASES);
const seed = argument(3, 1);
for (const bomb of [...SMALL_BOMBS, ...LARGE_BOMBS]) await runBomb(bomb);
await runSuite('parse', count);
await runSuite('convert', Math.ceil(count / PARSED_PER_CONVERTED));
if (process.argv.includes('--json')) console.log(JSON.stringify(table.total(processBytes)));
else
  console.log(
    `${table.toMarkdown()}\n\nseed ${seed}; all cases but the bombs ran in one process, which grew by ${Math.ceil(processBytes / 2 ** 20)} MB`,
  );
if (kept === 0) rmSync(folder, { recursive: true });
process.exitCode = table.isClean() && processBytes <= MAX_BYTES ? 0 : 1;

/** A bomb gets a process of its own, so that its memory can be told from the others'. */
async function runBomb([name, make]: Bomb): Promise<void> {
  const path = join(folder, 'bomb');
  writeFileSync(path, make());
  const report = await bombReport(path);
  rmSync(path);
  const isLate = report.milliseconds > MAX_MILLISECONDS;
  table.count('bombs', isLate ? 'hang' : report.outcome, report.milliseconds);
  table.memory('bombs', report.bytes);
  const megabytes = Math.ceil(report.bytes / 2 ** 20);
  log(
    `bomb: ${name}: ${report.outcome}, ${Math.ceil(report.milliseconds)} ms, ${megabytes} MB; ${report.detail ?? ''}`,
  );
}

function bombReport(path: string): Promise<BombReport> {
  const child = fork(fileURLToPath(new URL('./bombChild.js', import.meta.url)), [path]);
  return new Promise((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), GIVE_UP_MILLISECONDS);
    let report: BombReport = {
      outcome: 'crash',
      milliseconds: GIVE_UP_MILLISECONDS,
      bytes: 0,
      detail: 'the process died',
    };
    child.on('message', (message) => {
      report = message as BombReport;
    });
    child.on('exit', () => {
      clearTimeout(timer);
      resolve(report);
    });
  });
}

async function runSuite(suite: Suite, end: number): Promise<void> {
  for (let first = 0; first < end; ) first = await runCases(suite, first, end);
}

/** Runs cases from `first` on until all are done or one takes its worker down; gives the number to go on with. */
function runCases(suite: Suite, first: number, end: number): Promise<number> {
  const current = new Int32Array(new SharedArrayBuffer(4)).fill(first);
  const task: WorkerTask = { suite, seed, first, end, current };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: task });
  const base = process.memoryUsage().rss;
  return new Promise((resolve) => {
    let seen = first;
    let since = performance.now();
    const finish = (next: number) => {
      clearInterval(timer);
      void worker.terminate().then(() => resolve(next));
    };
    const lose = (ending: 'crash' | 'hang', detail: string) => {
      const number = Atomics.load(current, 0);
      table.count('lost with their worker', ending, performance.now() - since);
      log(`case ${number} (${suite}), seed ${seed}: ${detail}`);
      finish(number + 1);
    };
    const timer = setInterval(() => {
      processBytes = Math.max(processBytes, process.memoryUsage().rss - base);
      const number = Atomics.load(current, 0);
      if (number !== seen) [seen, since] = [number, performance.now()];
      else if (performance.now() - since > GIVE_UP_MILLISECONDS) lose('hang', 'no end');
    }, SAMPLE_MILLISECONDS);
    worker.on('message', (report: CaseReport) => {
      countCase(report);
      if (report.number === end - 1) finish(end);
    });
    worker.on('error', (error) => lose('crash', error.stack ?? error.message));
  });
}

function countCase({ number, kind, outcome, milliseconds, detail, bytes }: CaseReport): void {
  const isLate = milliseconds > MAX_MILLISECONDS;
  table.count(kind, isLate ? 'hang' : outcome, milliseconds);
  if (isLate || outcome === 'crash') {
    log(`case ${number} (${kind}), seed ${seed}: ${detail ?? `${Math.ceil(milliseconds)} ms`}`);
    keep(`case-${seed}-${number}`, bytes);
  }
  if ((number + 1) % 10_000 === 0) log(`${number + 1} of ${count}`);
}

function keep(name: string, bytes: Uint8Array | undefined): void {
  if (bytes === undefined || kept === MAX_KEPT) return;
  kept += 1;
  const path = join(folder, name);
  writeFileSync(path, bytes);
  log(`  kept as ${path}`);
}

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

function argument(index: number, fallback: number): number {
  const text = process.argv[index];
  if (text === undefined) return fallback;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  log(`expected a whole number, found ${text}; usage: npm run fuzz -- [CASES] [SEED]`);
  process.exit(2);
}
