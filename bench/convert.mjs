/**
 * deit-convert against what Python does to the same end, torch.load and safetensors' save_file; a process each, turn by
 * turn. Writes its figures into RESULTS.md.
 *
 *     npm run build && node bench/convert.mjs CHECKPOINT [--python PYTHON] [--rounds 5] [--out FILE|-]
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.mjs';
import { median } from './lib/race.mjs';
import { RESULTS, table, writeSection } from './lib/results.mjs';
import { CONVERTER, runProgram } from './lib/runProgram.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    python: { type: 'string', default: process.env.PYTHON ?? 'python3' },
    rounds: { type: 'string', default: '5' },
    out: { type: 'string', default: RESULTS },
  },
});
const [checkpoint] = positionals;
if (!checkpoint) {
  console.error('node bench/convert.mjs CHECKPOINT: which file is to be converted?');
  process.exit(2);
}
const script = new URL('./contenders/convert.py', import.meta.url).pathname;
const { size } = await stat(checkpoint);
const folder = await mkdtemp(join(tmpdir(), 'deit-bench-'));
const contenders = {
  'deit-convert': () => runProgram(process.execPath, [...CONVERTER, checkpoint, join(folder, 'layers')]),
  'deit-convert --dtype float16': () =>
    runProgram(process.execPath, [...CONVERTER, checkpoint, join(folder, 'half'), '--dtype', 'float16']),
  'torch.load and save_file': () =>
    runProgram(options.python, [script, checkpoint, join(folder, 'model.safetensors')]),
};
const results = Object.keys(contenders).map(() => []);
try {
  // The first round fills the disk's cache and is not counted.
  for (let round = -1; round < Number(options.rounds); round++) {
    for (const [i, run] of Object.values(contenders).entries()) {
      const result = await run();
      if (round >= 0) results[i].push(result);
    }
  }
} finally {
  await rm(folder, { recursive: true });
}
const middle = (i, key) => median(results[i].map((result) => result[key]));
const python = Object.keys(contenders).length - 1;
const rows = Object.keys(contenders).map((title, i) => [
  title,
  middle(i, 'seconds').toFixed(2),
  (middle(i, 'seconds') / middle(python, 'seconds')).toFixed(2),
  middle(i, 'processor').toFixed(2),
  middle(i, 'megabytes').toFixed(0),
]);
const markdown = [
  `### Converting a checkpoint of ${(size / 1e6).toFixed(0)} MB`,
  `${describeMachine()}; a process each, its start included; medians of ${options.rounds} interleaved rounds. deit-convert waits until the disk has its files (fsync), Python does not.`,
  table(['', 'wall, s', 'against Python', 'processor, s', 'peak, MB'], rows),
].join('\n\n');
console.log(markdown);
if (options.out !== '-') writeSection(options.out, 'convert', markdown);
