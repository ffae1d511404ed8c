/**
 * Everything that must not break, broken on purpose: npm run reliability [-- --quick]
 *
 * Hostile files, kills, a queue whose machines and whose Redis fail, and the same work over and over. Writes the table
 * of docs/reliability.md; exits 1 if a column that should be zero is not. Takes about half an hour; --quick does a
 * tenth of each and writes nothing. Needs Debian's redis-server for the queue.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../../src/random.js';
import type { FuzzTotal } from '../fuzz/table.js';
import { deitJson, type Running, startDeit } from './deit.js';
import { killTraining } from './killedTraining.js';
import type { Held } from './leaks.js';
import { hasRedis, RedisServer } from './redis.js';
import { until } from './until.js';

interface Row {
  readonly what: string;
  readonly cases: number;
  readonly crashes: number;
  readonly hangs: number;
  /** Results that differ from those of an undisturbed run, or things left over. */
  readonly wrong: number;
  /** Largest memory beyond the input, in bytes, where it was measured. */
  readonly bytes?: number;
  readonly seconds: number;
}

const MODEL = 'examples/digits/deit_digits_distilled.pth';
const VAL = 'examples/digits/val';
const MEBIBYTE = 2 ** 20;

const quick = process.argv.includes('--quick');
const share = quick ? 10 : 1;
const random = Random.fromSeed(7);
const folder = await mkdtemp(join(tmpdir(), 'deit-reliability-'));
const predictions = join(folder, 'predictions.jsonl');

async function timed(what: string, run: () => Promise<Omit<Row, 'what' | 'seconds'>>): Promise<Row> {
  const begin = performance.now();
  console.error(`${what} …`);
  const row = { what, ...(await run()), seconds: (performance.now() - begin) / 1000 };
  console.error(`${what}: ${JSON.stringify(row)}`);
  return row;
}

/** Runs a program of this folder that prints one JSON object. */
async function jsonOf<T>(script: string, ...args: string[]): Promise<T> {
  const child = spawn(process.execPath, ['--expose-gc', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  await once(child, 'close');
  return JSON.parse(out) as T;
}

async function fuzz(script: string, cases: number): Promise<Omit<Row, 'what' | 'seconds'>> {
  const total = await jsonOf<FuzzTotal>(
    `dist/test/fuzz/${script}.js`,
    String(Math.ceil(cases / share)),
    '1',
    '--json',
  );
  return { ...total, wrong: 0 };
}

/** A run of `deit eval` that nothing disturbs. */
async function undisturbed() {
  const { result } = await deitJson('eval', MODEL, VAL, '--predictions', predictions);
  return { result: JSON.stringify(result), text: await readFile(predictions, 'utf8') };
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => undefined))?.size ?? 0;
}

/** Kills `deit eval` again and again, at any byte of its predictions, and lets --resume end it. */
async function kills(count: number): Promise<Omit<Row, 'what' | 'seconds'>> {
  const expected = await undisturbed();
  let crashes = 0;
  let wrong = 0;
  await rm(predictions);
  for (let i = 0; i < count; i++) {
    const begun = await sizeOf(predictions);
    const running = startDeit('eval', MODEL, VAL, '--json', '--predictions', predictions, '--resume');
    const goal = begun + random.integer(Math.ceil((2 * expected.text.length) / count));
    await Promise.race([
      running.ended,
      until(async () => (await sizeOf(predictions)) > goal, running.err, 120),
    ]);
    running.child.kill('SIGKILL');
    const { code, err } = await running.ended;
    if (code !== null && code !== 0) {
      crashes++;
      console.error(err);
    }
  }
  const { code, result } = await deitJson('eval', MODEL, VAL, '--predictions', predictions, '--resume');
  if (code !== 0) crashes++;
  if (JSON.stringify(result) !== expected.result) wrong++;
  if ((await readFile(predictions, 'utf8')) !== expected.text) wrong++;
  return { cases: count, crashes, hangs: 0, wrong };
}

/** Four workers, of which two are killed, and a Redis that loses all it has in the middle. */
async function queueFaults(times: number): Promise<Omit<Row, 'what' | 'seconds'>> {
  const expected = await undisturbed();
  let crashes = 0;
  let wrong = 0;
  for (let time = 0; time < times; time++) {
    const redis = await RedisServer.start();
    const worker = (): Running =>
      startDeit('worker', '--queue', redis.url, '--model', MODEL, '--data', VAL, '--workers', '1');
    const workers = [worker(), worker(), worker(), worker()];
    await rm(predictions, { force: true });
    const evaluation = deitJson('eval', MODEL, VAL, '--predictions', predictions, '--queue', redis.url);
    const momentAt = (part: number) => part * expected.text.length;
    const moments = [momentAt(random.uniform()), momentAt(random.uniform()), momentAt(0.5)] as const;
    const reached = (moment: number) =>
      until(async () => (await sizeOf(predictions)) > moment, workers[3]!.err, 120);
    const disturb = async () => {
      const events = [
        { at: moments[0], act: async () => void workers[0]!.child.kill('SIGKILL') },
        { at: moments[1], act: async () => void workers[1]!.child.kill('SIGKILL') },
        { at: moments[2], act: () => redis.crash(500) },
      ].sort((a, b) => a.at - b.at);
      for (const { at, act } of events) {
        await reached(at);
        await act();
      }
    };
    const [{ code, err, result }] = await Promise.all([evaluation, disturb()]);
    if (code !== 0) {
      crashes++;
      console.error(err);
    }
    if (JSON.stringify(result) !== expected.result) wrong++;
    if ((await readFile(predictions, 'utf8')) !== expected.text) wrong++;
    for (const { child } of workers) child.kill('SIGTERM');
    await Promise.race([Promise.all(workers.map(({ ended }) => ended)), sleep(20_000)]);
    for (const { child } of workers) child.kill('SIGKILL');
    await redis.stop();
  }
  return { cases: times, crashes, hangs: 0, wrong };
}

/** Kills a training run and resumes it; every file that it leaves must be the unbroken run's. */
async function trainingKills(count: number): Promise<Omit<Row, 'what' | 'seconds'>> {
  const { kills, different } = await killTraining(count, () => random.uniform(), 20);
  for (const name of different) console.error(`different: ${name}`);
  return { cases: kills, crashes: 0, hangs: 0, wrong: different.length };
}

/** What may be left over of thousands of turns: the allocator's slack. */
const MAX_GROWTH = 64 * MEBIBYTE;

async function leaks(what: string, count: number): Promise<Omit<Row, 'what' | 'seconds'>> {
  const turns = Math.ceil(count / share);
  const { early, end } = await jsonOf<{ early: Held; end: Held }>(
    'dist/test/reliability/leaks.js',
    what,
    `${turns}`,
  );
  const growth = end.rss - early.rss;
  const wrong =
    Number(end.tensors !== early.tensors) +
    Number(end.tensorBytes !== early.tensorBytes) +
    Number(end.files > early.files) +
    Number(growth > MAX_GROWTH);
  console.error(`  ${JSON.stringify({ early, end })}`);
  return { cases: turns, crashes: 0, hangs: 0, wrong, bytes: Math.max(0, growth) };
}

function table(rows: readonly Row[]): string {
  const cells = rows.map(({ what, cases, crashes, hangs, wrong, bytes, seconds }) => {
    const megabytes = bytes === undefined ? '' : (bytes / MEBIBYTE).toFixed(0);
    return `| ${[what, cases.toLocaleString('en'), crashes, hangs, wrong, megabytes, seconds.toFixed(0)].join(' | ')} |`;
  });
  return [
    '| what | cases | crashes | hangs | wrong answers, left over | largest memory, growth (MB) | seconds |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...cells,
  ].join('\n');
}

const rows: Row[] = [];
rows.push(await timed('hostile checkpoints', () => fuzz('checkpoints', 100_000)));
rows.push(await timed('hostile images', () => fuzz('images', 20_000)));
rows.push(await timed('`deit eval` killed (−9) and resumed', () => kills(Math.ceil(20 / share))));
if (hasRedis) {
  rows.push(
    await timed('queue: 4 workers, 2 killed, Redis lost with all it held', () =>
      queueFaults(Math.ceil(3 / share)),
    ),
  );
} else console.error('no redis-server: the queue is left out; apt-get install redis-server');
rows.push(await timed('`deit train` killed (−9) and resumed', () => trainingKills(Math.ceil(10 / share))));
rows.push(await timed('predictions from a file, by one model', () => leaks('predictions', 10_000)));
rows.push(await timed('models loaded and disposed of', () => leaks('loads', 1_000)));
rows.push(await timed('epochs of training, in one run', () => leaks('epochs', 100)));
await rm(folder, { recursive: true });

console.log(table(rows));
if (!quick) {
  const path = 'docs/reliability.md';
  const text = await readFile(path, 'utf8');
  const [before, after] = [text.split('<!-- table -->')[0], text.split('<!-- end -->')[1]];
  await writeFile(path, `${before}<!-- table -->\n\n${table(rows)}\n\n<!-- end -->${after}`);
}
process.exitCode = rows.some(({ crashes, hangs, wrong }) => crashes + hangs + wrong > 0) ? 1 : 0;
