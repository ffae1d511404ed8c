/**
 * What a program that starts, answers once and ends takes: processor time of the whole process, time by the clock, peak
 * memory. Starts are interleaved; with --before a checkout of another version (built), whose commands run by turns with
 * these.
 *
 *     npm run build && node bench/start.mjs [--runs 10] [--before FOLDER]
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { describeMachine } from './lib/machine.mjs';
import { writeLayers } from './lib/modelFiles.mjs';
import { table } from './lib/results.mjs';

const { values: options } = parseArgs({
  options: { runs: { type: 'string', default: '10' }, before: { type: 'string' } },
});
const machine = describeMachine();
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = await mkdtemp(join(tmpdir(), 'deit-bench-'));

/** What `node ARGS` takes. */
function start(args) {
  const begun = performance.now();
  const printed = fileURLToPath(new URL('./lib/printPeak.mjs', import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, ['--import', printed, ...args], {
    encoding: 'utf8',
    // No other backend is looked for, as where nothing else is installed.
    env: { ...process.env, DEIT_WEBGPU_DEVICE: 'none', DEIT_NATIVE_DIR: folder, DEIT_XLA_DIR: folder },
  });
  const clock = performance.now() - begun;
  const [, peak, processor] = /\npeak (\S+) processor (\S+)\n$/.exec(stderr) ?? [];
  if (status !== 0 || peak === undefined) throw new Error(`${args.join(' ')}: ${stderr}`);
  return { clock, processor: 1000 * Number(processor), peak: Number(peak) };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

try {
  const model = join(folder, 'tiny');
  (await writeLayers(model, 'tiny')).model.dispose();
  const photo = join(folder, 'photo.jpg');
  const noise = Uint8Array.from({ length: 64 * 48 * 3 }, (_, i) => (i * i * 31 + i * 7) & 255);
  await sharp(noise, { raw: { width: 64, height: 48, channels: 3 } })
    .resize(500, 375)
    .jpeg()
    .toFile(photo);
  const digits = JSON.stringify(resolve(root, 'examples/digits/deit_digits_distilled.pth'));
  const digit = JSON.stringify(resolve(root, 'examples/digits/val/3/00018.png'));
  const program = (where, entry) => [
    '--input-type=module',
    '-e',
    `import { load } from ${JSON.stringify(pathToFileURL(join(where, `dist/src/node/${entry}.js`)))};
     const model = await load(${digits});
     const [{ label }] = await model.classify(${digit});
     if (label !== '3') throw new Error(label);`,
  ];
  const command = (where, ...args) => [join(where, 'dist/src/cli/deit.js'), ...args];
  const programs = {
    'deit --help': (where) => command(where, '--help'),
    'deit predict, tiny, a JPEG': (where) => command(where, 'predict', model, photo),
    'the digits by deit-tfjs': (where) => program(where, 'index'),
    'the digits by deit-tfjs/wasm': (where) => program(where, 'wasm'),
  };
  const places = [root, ...(options.before ? [resolve(options.before)] : [])];
  const rows = Object.entries(programs).flatMap(([name, argsIn]) =>
    places.map((where, i) => ({
      name: `${name}${i === 0 ? '' : ', before'}`,
      args: argsIn(where),
      runs: [],
      failed: false,
    })),
  );
  for (let run = 0; run < Number(options.runs); run++) {
    for (const row of rows) {
      if (row.failed) continue;
      try {
        row.runs.push(start(row.args));
      } catch (error) {
        if (!row.name.endsWith('before')) throw error;
        row.failed = true; // a command that the other version does not have
      }
    }
  }
  console.log(`${machine}; medians of ${options.runs} starts\n`);
  const cells = rows
    .filter(({ failed }) => !failed)
    .map(({ name, runs }) => [
      name,
      ...['processor', 'clock'].map((what) => median(runs.map((run) => run[what])).toFixed(0)),
      String(Math.min(...runs.map(({ processor }) => Math.round(processor)))),
      median(runs.map(({ peak }) => peak)).toFixed(0),
    ]);
  console.log(table(['', 'processor, ms', 'by the clock, ms', 'processor, least', 'peak, MB'], cells));
} finally {
  await rm(folder, { recursive: true });
}
process.exit(0);
