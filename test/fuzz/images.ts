/**
 * Hostile images: node dist/test/fuzz/images.js [CASES] [SEED] [--json]
 *
 * Every case must end in an image or in one UserError of one line, within 5 s and in bounded memory. Prints a table,
 * and exits 1 if a column that should be zero is not.
 */
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { MAX_PIXELS } from '../../src/node/decode.js';
import { IMAGE_BOMBS } from './imageCases.js';
import type { ImageReport } from './imageChild.js';
import { FuzzTable } from './table.js';

const DEFAULT_CASES = 20_000;

/** Time in which a case must end: the largest image that is allowed has 179 million pixels. */
const MAX_MILLISECONDS = 5000;

/** A case without end is given up after so long. */
const GIVE_UP_MILLISECONDS = 10_000;

/** What decoding the largest image that is allowed takes: as decoded, and as RGB. */
const MAX_IMAGE_BYTES = 2 * 3 * MAX_PIXELS;

const count = Number(process.argv[2] ?? DEFAULT_CASES);
const seed = Number(process.argv[3] ?? 1);
const table = new FuzzTable(MAX_IMAGE_BYTES);

for (const [name] of IMAGE_BOMBS) {
  await run('bombs', ['bomb', name], 1, (report) => {
    const end = `${report.outcome}, ${Math.ceil(report.milliseconds)} ms, ${Math.ceil(report.bytes / 2 ** 20)} MB`;
    console.error(`bomb: ${name}: ${end}; ${report.detail ?? ''}`);
  });
}
for (let first = 0; first < count; ) {
  first = await run('mutations', [`${seed}`, `${first}`, `${count}`], count, (report) => {
    if (report.outcome === 'crash') console.error(`case ${report.number}, seed ${seed}: ${report.detail}`);
  });
}
console.log(process.argv.includes('--json') ? JSON.stringify(table.total()) : table.toMarkdown());
process.exitCode = table.isClean() ? 0 : 1;

/** Runs a child to its end; gives the number of the case to go on with. */
function run(
  kind: string,
  args: string[],
  end: number,
  onReport: (report: ImageReport) => void,
): Promise<number> {
  const child = fork(fileURLToPath(new URL('./imageChild.js', import.meta.url)), args, {
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  });
  let current = 0;
  let hung = false;
  const giveUp = () => {
    hung = true;
    child.kill('SIGKILL');
  };
  let timer = setTimeout(giveUp, 3 * GIVE_UP_MILLISECONDS);
  child.stdout!.on('data', (text) => {
    current = Number(String(text).trim().split('\n').at(-1));
  });
  child.on('message', (message) => {
    clearTimeout(timer);
    timer = setTimeout(giveUp, GIVE_UP_MILLISECONDS);
    const report = message as ImageReport;
    table.count(kind, report.milliseconds > MAX_MILLISECONDS ? 'hang' : report.outcome, report.milliseconds);
    table.memory(kind, report.bytes);
    onReport(report);
    if (report.number > 0 && report.number % 5000 === 0) console.error(`${report.number} of ${count}`);
  });
  return new Promise((resolve) => {
    child.on('exit', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) return resolve(end);
      table.count('lost with their process', hung ? 'hang' : 'crash', GIVE_UP_MILLISECONDS);
      console.error(
        `${args.join(' ')}: case ${current}: the process ${hung ? 'hung' : `died (${signal ?? code})`}`,
      );
      resolve(current + 1);
    });
  });
}
