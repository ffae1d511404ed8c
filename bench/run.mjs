/**
 * All runtimes side by side: latency of one image, throughput in batches, loading, memory, and how the time grows with
 * the number of tokens. Writes the figures into RESULTS.md, a section for each model.
 *
 *     npm ci --ignore-scripts --prefix bench
 *     npm run bench -- [--models tiny,small,base] [--tokens tiny] [--python PYTHON] [--quick] [--out FILE|-]
 *
 * --python (or the variable PYTHON) is one with torch, timm and safetensors. Native TensorFlow takes part after
 * `deit setup-native`. What is not installed, or does not run on this Node, is left out and named. Each contender is a
 * process of its own; they take turns within a round, and medians over all rounds are given. Contenders that are
 * compared have the same number of threads: one, and as many as there are cores (--threads).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ALL_THREADS, ONE_THREAD } from './contenders/index.mjs';
import { describeMachine } from './lib/machine.mjs';
import { writeModelFiles } from './lib/modelFiles.mjs';
import { largestDifference } from './lib/models.mjs';
import { median } from './lib/race.mjs';
import { RESULTS, table, writeSection } from './lib/results.mjs';
import { startChild } from './lib/startChild.mjs';

/** A turn lasts about as long, in ms, so that short runs are counted many times. */
const TURN = 400;

const { values: options } = parseArgs({
  options: {
    models: { type: 'string', default: 'tiny,small,base' },
    tokens: { type: 'string', default: 'tiny' },
    sizes: { type: 'string', default: '224,384,512' },
    batches: { type: 'string', default: '1,8,32' },
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '7' },
    loads: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '60' },
    only: { type: 'string', default: '' },
    clock: { type: 'string', default: 'wall' },
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: RESULTS },
  },
});
const quick = options.quick
  ? { models: 'tiny', tokens: '', batches: '1,8', rounds: '3', loads: '1', seconds: '10' }
  : {};
const settings = { ...options, ...quick };
const listOf = (text) => text.split(',').filter((item) => item !== '');
const rounds = Number(settings.rounds);
const threads = Number(settings.threads);
const say = (line) => console.error(line);

/** The contenders of a list that are asked for. */
function chosen(list, model) {
  const wanted = listOf(settings.only);
  return list.filter(
    ({ title, models }) =>
      (models?.includes(model) ?? true) &&
      (wanted.length === 0 || wanted.some((word) => title.includes(word))),
  );
}

/** Opens the contenders `loads` times over, one after another, and keeps the last of each. */
async function openAll(list, common, loads) {
  const opened = new Map();
  const left = new Map();
  for (let load = 0; load < loads; load++) {
    for (const { title, needsPython, ...contender } of list) {
      if (left.has(title)) continue;
      const before = opened.get(title);
      await before?.child.end();
      try {
        const child = await startChild({ ...contender, ...common, python: needsPython && settings.python });
        opened.set(title, { title, child, loads: [...(before?.loads ?? []), child.load] });
      } catch (error) {
        const { message } = /** @type {Error} */ (error);
        left.set(title, message);
        opened.delete(title);
        say(`${title}: left out (${message})`);
      }
    }
  }
  return { contenders: [...opened.values()], left };
}

/**
 * Times batches of one size: as many rounds as are asked for, or as fit in --seconds, yet at least three.
 *
 * @returns for each contender {times: ms of each run, logits, peak}
 */
async function race(contenders, batch, clock) {
  const results = [];
  for (const { child } of contenders) {
    const first = await child.ask(batch, 1);
    const { wall } = first.wall[0] > 2 * TURN ? first : await child.ask(batch, 2);
    results.push({ runs: Math.max(1, Math.round(TURN / wall.at(-1))), turn: wall.at(-1), times: [] });
  }
  const round = results.reduce((sum, { turn, runs }) => sum + turn * runs, 0);
  const count = Math.max(3, Math.min(rounds, Math.floor((1000 * Number(settings.seconds)) / round)));
  for (let i = 0; i < count; i++) {
    for (const [c, { child }] of contenders.entries()) {
      const answer = await child.ask(batch, results[c].runs);
      results[c].times.push(...answer[clock]);
      Object.assign(results[c], { logits: answer.logits, peak: answer.peak });
    }
  }
  say(`  ${contenders.length} contenders, batches of ${batch}, ${count} rounds`);
  return results;
}

/** One contender's figures: title, load, peak, perImage (ms for each batch size), difference. */
async function measure(list, common, batches, loads) {
  const { contenders, left } = await openAll(list, common, loads);
  // With one thread the processor's clock leaves out what other programs take of the machine.
  const clock = common.threads === 1 && settings.clock === 'processor' ? 'processor' : 'wall';
  const rows = contenders.map(({ title, child, loads: times }) => ({
    title,
    difference: undefined,
    load: median(times),
    peaks: [child.peak],
    perImage: [],
    least: [],
  }));
  for (const batch of batches) {
    const results = await race(contenders, batch, clock);
    for (const [i, { times, logits, peak }] of results.entries()) {
      rows[i].perImage.push(median(times) / batch);
      rows[i].least.push(Math.min(...times) / batch);
      rows[i].peaks.push(peak);
      rows[i].difference = largestDifference(results[0].logits, logits);
    }
  }
  for (const { child } of contenders) await child.end();
  return { rows, left };
}

const inFolder = async (work) => {
  const folder = await mkdtemp(join(tmpdir(), 'deit-bench-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
};

const ms = (time) => (time === undefined ? '–' : time.toFixed(time < 100 ? 1 : 0));
const ratio = (row, rows, i) => (row.perImage[i] / rows[0].perImage[i]).toFixed(2);

function leftOut({ left }) {
  return [...left].map(([title, reason]) => `${title} left out: ${reason}`);
}

function contendersTable({ rows }, batches) {
  const head = ['', ...batches.map((batch) => (batch === 1 ? '1 image, ms' : `×${batch}, ms an image`))];
  head.push('1 image, against the first', 'load, s', 'peak, MB', 'logits differ by');
  const lines = rows.map((row) => [
    row.title,
    ...row.perImage.map((time, i) => `${ms(time)} (${ms(row.least[i])})`),
    ratio(row, rows, 0),
    (row.load / 1000).toFixed(2),
    Math.max(...row.peaks).toFixed(0),
    row === rows[0] ? '' : row.difference.toExponential(0),
  ]);
  return table(head, lines);
}

async function benchModel(model) {
  say(`deit_${model}_patch16_224`);
  const batches = listOf(settings.batches).map(Number);
  const loads = Number(settings.loads);
  const [one, all] = await inFolder(async (folder) => {
    await writeModelFiles(folder, model, 224, batches);
    const common = { folder, name: model, size: 224 };
    return [
      await measure(chosen(ONE_THREAD, model), { ...common, threads: 1 }, [1], loads),
      await measure(chosen(ALL_THREADS, model), { ...common, threads }, batches, loads),
    ];
  });
  const clock = settings.clock === 'processor' ? "one thread: the processor's time; " : '';
  return [
    `### deit_${model}_patch16_224`,
    `${describeMachine()}; ${clock}medians (least) of interleaved rounds.`,
    'One thread each:',
    contendersTable(one, [1]),
    `${threads} threads each:`,
    contendersTable(all, batches),
    ...new Set([...leftOut(one), ...leftOut(all)]),
  ].join('\n\n');
}

async function benchTokens(model) {
  const sizes = listOf(settings.sizes).map(Number);
  const bySize = [];
  for (const size of sizes) {
    say(`deit_${model}_patch16_${size}`);
    const found = await inFolder(async (folder) => {
      await writeModelFiles(folder, model, size, [1]);
      const list = chosen(ONE_THREAD, model).filter(({ backend }) => backend !== 'cpu');
      return measure(list, { folder, name: model, size, threads: 1 }, [1], 1);
    });
    bySize.push(found);
  }
  const titles = [...new Set(bySize.flatMap(({ rows }) => rows.map(({ title }) => title)))];
  const rowOf = (title) => bySize.map(({ rows }) => rows.find((row) => row.title === title)?.perImage[0]);
  const lines = titles.map((title) => {
    const times = rowOf(title);
    const growth = times.at(-1) / times[0];
    return [title, ...times.map(ms), Number.isFinite(growth) ? growth.toFixed(1) : '–'];
  });
  const tokens = (size) => (size / 16) ** 2 + 1;
  const head = ['', ...sizes.map((size) => `${size}: ${tokens(size)} tokens, ms`), 'last of the first'];
  return [
    `### Time by tokens: deit_${model}_patch16, one image, one thread`,
    `${describeMachine()}; medians of interleaved rounds.`,
    table(head, lines),
    ...new Set(bySize.flatMap(leftOut)),
  ].join('\n\n');
}

function publish(name, markdown) {
  console.log(`${markdown}\n`);
  if (settings.out !== '-' && !options.quick) writeSection(settings.out, name, markdown);
}

for (const model of listOf(settings.models)) publish(`runtimes ${model}`, await benchModel(model));
for (const model of listOf(settings.tokens)) publish(`tokens ${model}`, await benchTokens(model));
