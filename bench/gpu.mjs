/**
 * What a machine with a GPU gives: every engine's logits against WASM's, images a second beside PyTorch eager and compiled
 * and onnxruntime's WebGPU, a training step, and `deit eval` from JPEG files. Under ten minutes on an NVIDIA card.
 *
 *     npm run build && node bench/gpu.mjs [--steps facts,digits,…] [--models tiny,base] [--batches 1,8,64,256]
 *       [--python PYTHON] [--out FOLDER]
 *
 * On a machine without a network: bench/packGpu.mjs. XLA's plugin is the one that `deit setup-native --xla` installed, or
 * $DEIT_PJRT_PLUGIN, or JAX's of PYTHON, which has torch and timm too. What is not there is left out and named. FOLDER gets
 * results.jsonl, a line a measurement, and RESULTS.md, the tables.
 */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { describeMachine } from './lib/machine.mjs';
import { table } from './lib/results.mjs';

const STEPS = ['facts', 'digits', 'xla', 'torch', 'webgpu', 'tfjs', 'onnxruntime', 'train', 'files'];
const { values: options } = parseArgs({
  options: {
    steps: { type: 'string', default: STEPS.join() },
    models: { type: 'string', default: 'tiny,base' },
    batches: { type: 'string', default: '1,8,64,256' },
    python: { type: 'string', default: 'python3' },
    out: { type: 'string', default: 'gpu-results' },
    milliseconds: { type: 'string', default: '500' },
  },
});
const unknown = options.steps.split(',').find((step) => !STEPS.includes(step));
if (unknown) throw new Error(`--steps: there is no ${unknown}; there are ${STEPS.join(', ')}`);
const out = resolve(options.out);
const milliseconds = Number(options.milliseconds);
const models = options.models.split(',');
const batches = options.batches.split(',').map(Number);
const here = (file) => fileURLToPath(new URL(file, import.meta.url));
const work = mkdtempSync(join(tmpdir(), 'deit-gpu-'));
mkdirSync(out, { recursive: true });
const log = join(out, 'results.jsonl');
const results = [];

/** JAX's CUDA plugin of PYTHON, if no other is named or installed. */
function plugin() {
  if (process.env.DEIT_PJRT_PLUGIN) return process.env.DEIT_PJRT_PLUGIN;
  const code =
    'import glob,sysconfig;print("".join(glob.glob(sysconfig.get_paths()["purelib"]+"/jax_plugins/xla_cuda*/xla_cuda_plugin.so")[:1]))';
  const { stdout } = spawnSync(options.python, ['-c', code], { encoding: 'utf8' });
  return stdout?.trim() ?? '';
}
const env = {
  ...process.env,
  DEIT_PJRT_PLUGIN: plugin(),
  DEIT_CACHE: join(work, 'cache'),
  TF_CPP_MIN_LOG_LEVEL: '2',
};

/** The line of an error in what a program said, else its last one. */
function reasonIn(said) {
  const all = said.trim().split('\n');
  return all.find((line) => /^(?:\w*Error\b|deit: )/.test(line)) ?? all.at(-1);
}

/** A program's lines of JSON; what it says else goes to stderr. One that runs too long is ended. */
function lines(command, args, seconds, extra = {}) {
  const run = spawnSync(command, args, {
    env: { ...env, ...extra },
    encoding: 'utf8',
    timeout: 1000 * seconds,
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 1e8,
  });
  const found = run.stdout?.split('\n').filter((line) => line.startsWith('{')) ?? [];
  for (const line of found) {
    console.error(line);
    appendFileSync(log, `${line}\n`);
    results.push(JSON.parse(line));
  }
  if (run.status !== 0) {
    const why = run.error?.message ?? run.signal ?? reasonIn(run.stderr);
    console.error(`${args[0]} ${args[1] ?? ''}: ended before its time (${why})`);
  }
  return run;
}

const contender = (file, given, seconds) =>
  lines(
    process.execPath,
    ['--no-warnings', here(`gpu/${file}.mjs`), JSON.stringify({ batches, milliseconds, ...given })],
    seconds,
  );
const torch = (given, seconds) =>
  lines(options.python, [here('gpu/torch_forward.py'), JSON.stringify({ milliseconds, ...given })], seconds);
const deit = (args, seconds, extra) =>
  lines(process.execPath, [here('../dist/src/cli/deit.js'), ...args], seconds, extra);
const record = (result) => {
  console.error(JSON.stringify(result));
  appendFileSync(log, `${JSON.stringify(result)}\n`);
  results.push(result);
};
/** The line with the accuracy of `deit eval`. */
const evaluated = ({ stdout, stderr }) =>
  /^top-1.*$/m.exec(stdout ?? '')?.[0] ?? stderr?.trim().split('\n').at(-1);
const said = (command, args) =>
  spawnSync(command, args, { encoding: 'utf8' }).stdout?.trim().split('\n')[0] || 'none';

const steps = {
  facts() {
    record({
      machine: describeMachine(),
      gpu: said('nvidia-smi', ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader']),
      xla: env.DEIT_PJRT_PLUGIN ? 'a plugin is there' : 'no plugin',
    });
  },
  digits() {
    const model = join(work, 'digits');
    const given = (file) => here(`../examples/digits/${file}`);
    const converter = here('../dist/converters/cli.js');
    lines(
      process.execPath,
      [converter, given('deit_digits_distilled.pth'), model, '--labels', given('labels.txt')],
      60,
    );
    for (const backend of ['wasm', 'webgpu', 'xla', 'tensorflow']) {
      record({
        digits: backend,
        accuracy: evaluated(deit(['eval', model, given('val'), '--backend', backend], 60)),
      });
    }
  },
  xla() {
    for (const name of models)
      for (const dtype of name === 'base' ? ['bfloat16', 'float32', 'tf32'] : ['bfloat16', 'float32'])
        contender('xla', { name, dtype, batches: dtype === 'tf32' ? [64] : batches }, 120);
  },
  torch() {
    for (const name of models) {
      torch({ name, dtype: 'bfloat16', mode: 'eager', batches }, 40);
      torch({ name, dtype: 'bfloat16', mode: 'compile', batches: batches.slice(-2) }, 90);
      torch({ name, dtype: 'float32', mode: 'eager', batches }, 40);
    }
    if (models.includes('base'))
      torch({ name: 'base', dtype: 'float32', mode: 'compile', batches: [64] }, 60);
    if (models.includes('base')) torch({ name: 'base', dtype: 'tf32', mode: 'eager', batches: [64] }, 40);
  },
  webgpu() {
    contender('forwardHost', { name: models[0] }, 30);
    for (const name of models)
      for (const dtype of ['float32', 'float16'])
        contender('webgpu', { name, dtype, batches: batches.filter((b) => b <= 64) }, 40);
  },
  tfjs() {
    for (const name of models)
      contender('webgpu', { name, layers: true, batches: batches.filter((b) => b <= 64) }, 40);
  },
  onnxruntime() {
    for (const name of models)
      contender('onnxruntime', { name, batches: batches.filter((b) => b <= 64) }, 60);
  },
  train() {
    contender('trainHost', { name: 'tiny', batch: 8 }, 60);
    contender('trainProfile', { name: 'tiny', batch: 64 }, 60);
    for (const [backends, rounds] of [
      ['webgpu-engine', 16],
      ['webgpu', 4],
    ]) {
      const args = ['--models', 'tiny', '--rounds', `${rounds}`, '--batch', '64', '--threads', '1'];
      const gpus = ['--backends', backends, '--python', options.python, '--device', 'cuda'];
      const { stdout, stderr } = lines(process.execPath, [here('train.mjs'), ...args, ...gpus], 90);
      record({ train: stdout?.trim() || reasonIn(stderr ?? '') });
    }
  },
  files() {
    const make = spawnSync(options.python, [here('gpu/jpeg_folders.py'), join(work, 'val'), '2000'], {
      encoding: 'utf8',
    });
    if (make.status !== 0) return console.error(`files: ${make.stderr.trim().split('\n').at(-1)}`);
    for (const name of models) {
      const model = join(work, name);
      lines(process.execPath, [here('gpu/writeModel.mjs'), name, model], 60);
      for (const [backend, dtype] of [
        ['xla', 'bfloat16'],
        ['webgpu', 'float32'],
        ['wasm', ''],
      ]) {
        if (backend === 'wasm' && name !== 'tiny') continue;
        const run = deit(
          [
            'eval',
            model,
            join(work, 'val'),
            '--backend',
            backend,
            '--classes-by-order',
            '--batch-size',
            '64',
          ],
          60,
          {
            DEIT_XLA_DTYPE: dtype || 'float32',
          },
        );
        record({ files: name, backend, dtype, accuracy: evaluated(run) });
      }
    }
  },
};

/** Tables in Markdown. */
function markdown() {
  const measured = results.filter(({ batch, error }) => batch && !error);
  const sections = models.map((name) => {
    const rows = measured.filter((row) => row.name === name);
    const keys = [...new Set(rows.map(({ engine, dtype }) => `${dtype}|${engine}`))].sort();
    const sizes = [...new Set(rows.map(({ batch }) => batch))].sort((a, b) => a - b);
    const cell = (key, batch) => {
      const row = rows.find((row) => `${row.dtype}|${row.engine}` === key && row.batch === batch);
      if (!row) return '';
      const compute = row.computePerSecond ? `${row.computePerSecond.toFixed(0)}` : '';
      const whole = row.perSecond ? `${row.perSecond.toFixed(0)}` : '';
      return [compute, whole && `(${whole})`].filter(Boolean).join(' ');
    };
    const body = keys.map((key) => {
      const [dtype, engine] = key.split('|');
      const own = rows.filter((row) => `${row.dtype}|${row.engine}` === key);
      const one = own.find(({ batch }) => batch === 1);
      const differences = own.map(({ difference }) => difference ?? 0);
      const difference = Math.max(...differences);
      return [
        `${engine}, ${dtype}`,
        ...sizes.map((batch) => cell(key, batch)),
        one ? one.latency.toFixed(2) : '',
        one?.host ? one.host.toFixed(2) : '',
        difference ? difference.toExponential(0) : '',
      ];
    });
    const head = ['', ...sizes.map((batch) => `×${batch}`), 'one image, ms', 'host, ms', 'logits differ by'];
    return `### deit_${name}_patch16_224, images a second\n\n${table(head, body)}`;
  });
  const rest = results.filter(({ batch }) => !batch).map((row) => `- ${JSON.stringify(row)}`);
  return `${rest.join('\n')}\n\n${sections.join('\n\n')}\n`;
}

for (const step of options.steps.split(',')) {
  const started = performance.now();
  steps[step]();
  console.error(`${step}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
  writeFileSync(join(out, 'RESULTS.md'), markdown());
}
rmSync(work, { recursive: true, force: true });
console.log(readFileSync(join(out, 'RESULTS.md'), 'utf8'));
if (!existsSync(log)) process.exitCode = 1;
