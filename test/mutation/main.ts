/**
 * Do tests fail when the code is wrong? npm run mutate -- FILES [--sample=20] [--seed=1] [--seconds=60]
 *
 * Takes a seeded sample of the mutants of each file (`src/ops/gelu.ts`: one operator, constant or condition changed),
 * and runs the test file of its name and those nearest to it by imports, six at most, as far as they fit into so many
 * seconds. A mutant that none of them notices has survived. Prints a table and the survivors. Works on a copy of dist.
 */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { Random } from '../../src/random.js';
import { type Mutant, mutantsOf, mutate } from './mutants.js';
import { TestFinder } from './testsOf.js';
import { Workspace } from './workspace.js';

const { values: options, positionals: files } = parseArgs({
  allowPositionals: true,
  options: {
    /** Mutants of each file. */
    sample: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    /** Seconds of tests for each file. */
    seconds: { type: 'string', default: '60' },
  },
});
if (files.length === 0) throw new Error('name source files, e.g. npm run mutate -- src/ops/gelu.ts');

/** Test files that are tried for each file: those further away load everything. */
const NEAREST = 6;

const workspace = new Workspace();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
process.on('exit', () => {
  workspace.remove();
  printTable();
});
const finder = new TestFinder(`${workspace.folder}/dist/test`);
/** Seconds of each test file on code that is right; undefined for one that fails there. */
const timings = new Map<string, number | undefined>();

const rows: { file: string; mutants: number; tried: number; killed: number; tests: number }[] = [];
const survivors: string[] = [];
for (const file of files) await tryFile(file);

/** Also of a run that was cut off: what was tried until then. */
function printTable(): void {
  console.log('| file | mutants | tried | killed | test files |\n| --- | --- | --- | --- | --- |');
  const sum = { tried: 0, killed: 0 };
  for (const { file, mutants, tried, killed, tests } of rows) {
    console.log(`| ${file} | ${mutants} | ${tried} | ${killed} | ${tests} |`);
    sum.tried += tried;
    sum.killed += killed;
  }
  console.log(`\n${sum.killed} of ${sum.tried} killed, seed ${options.seed}; survivors:\n`);
  console.log(survivors.join('\n'));
}

async function tryFile(file: string): Promise<void> {
  const compiled = workspace.compiled(file);
  const source = readFileSync(compiled, 'utf8');
  const mutants = mutantsOf(source);
  const { tests, seconds } = await nearestTests(compiled);
  const row = { file, mutants: mutants.length, tried: 0, killed: 0, tests: tests.length };
  rows.push(row);
  for (const mutant of sampleOf(mutants, Number(options.sample))) {
    const text = mutate(source, mutant);
    const limit = 60 + 5 * seconds;
    const run = await workspace.testWith(compiled, text, tests, limit);
    row.tried++;
    if (run.outcome !== 'passed') row.killed++;
    else survivors.push(`- ${describe(file, source, mutant)}`);
    const verdict = run.outcome === 'passed' ? 'SURVIVED' : 'killed';
    console.error(`${verdict} (${run.seconds.toFixed(0)} s) ${describe(file, source, mutant)}`);
  }
}

/** The nearest test files that pass and fit together into the given seconds, the fastest first. */
async function nearestTests(file: string): Promise<{ tests: string[]; seconds: number }> {
  const tests: { test: string; seconds: number }[] = [];
  let sum = 0;
  for (const test of finder.testsOf(file).slice(0, NEAREST)) {
    const seconds = await timeOf(test);
    const fits = tests.length === 0 || sum + (seconds ?? 0) <= Number(options.seconds);
    if (seconds === undefined || !fits) continue;
    tests.push({ test, seconds });
    sum += seconds;
    if (sum > 0.8 * Number(options.seconds)) break;
  }
  if (tests.length === 0) throw new Error(`no test of ${options.seconds} s or less loads ${file}`);
  tests.sort((a, b) => a.seconds - b.seconds);
  console.error(`${file}: ${tests.map(({ test }) => relative(workspace.folder, test)).join(' ')}`);
  return { tests: tests.map(({ test }) => test), seconds: sum };
}

async function timeOf(test: string): Promise<number | undefined> {
  if (!timings.has(test)) {
    const { outcome, seconds } = await workspace.test([test], 3 * Number(options.seconds));
    if (outcome === 'failed') console.error(`left out, since it fails as it is: ${test}`);
    timings.set(test, outcome === 'passed' ? seconds : undefined);
  }
  return timings.get(test);
}

function sampleOf(mutants: readonly Mutant[], count: number): Mutant[] {
  const random = Random.fromSeed(Number(options.seed));
  const keyed = mutants.map((mutant) => ({ mutant, key: random.uniform() }));
  const chosen = keyed.sort((a, b) => a.key - b.key).slice(0, count);
  return chosen.map(({ mutant }) => mutant).sort((a, b) => a.start - b.start);
}

/** The file, and the line of the compiled code with what becomes what. */
function describe(file: string, source: string, { start, end, replacement }: Mutant): string {
  const from = source.lastIndexOf('\n', start - 1) + 1;
  const to = source.indexOf('\n', end);
  const line = `${source.slice(from, start)}⟦${source.slice(start, end)} → ${replacement}⟧${source.slice(end, to)}`;
  return `${file}: ${line.trim()}`;
}
