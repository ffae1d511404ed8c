/**
 * Native TensorFlow against onnxruntime-node and PyTorch, all on the CPU with the same number of threads.
 *
 *     npm run build && npm ci --ignore-scripts --prefix bench && npx deit setup-native
 *     node bench/native.mjs [--models tiny,small,base] [--batches 1,8] [--rounds 6] [--threads 2] [--python python3]
 *
 * PyTorch takes part if that Python has torch, timm and safetensors. Each runtime is a process of its own; they take
 * turns within a round, and the best and the middle time of all rounds are given, a picture.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { stateDictChunks } from '../dist/converters/write/stateDict.js';
import { useBackend } from '../dist/src/backend.js';
import { namedWeights } from '../dist/src/models/weights.js';
import { largestDifference, makeModel, makePictures, toPlanes } from './lib/models.mjs';
import { onnxModel } from './lib/onnxModel.mjs';
import { median } from './lib/race.mjs';

const path = (file) => fileURLToPath(new URL(file, import.meta.url));

/** Starts a child and waits until it is ready; `ask` runs it. */
async function startChild(command, args, env = {}) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ${args.join(' ')} ended`);
    return value;
  };
  await next();
  return {
    async ask(batch, runs) {
      child.stdin.write(`${JSON.stringify({ batch, runs })}\n`);
      return JSON.parse(await next());
    },
    end: () => child.stdin.end(),
  };
}

/** Whether a Python has what pytorch_child.py imports. */
function hasPyTorch(python) {
  return spawnSync(python, ['-c', 'import torch, timm, safetensors.torch']).status === 0;
}

/** Writes a model's weights and pictures for those that read files. */
async function writeFiles(folder, name, batches) {
  await useBackend('wasm');
  const model = makeModel(name);
  for (const batch of batches)
    await writeFile(join(folder, `${name}-${batch}.onnx`), onnxModel(model, batch));
  const weights = namedWeights(model.layersModel);
  const readWeight = async (key) => weights.get(key).read().dataSync();
  const chunks = stateDictChunks({ config: model.config, readWeight });
  await pipeline(Readable.from(chunks), createWriteStream(join(folder, `${name}.safetensors`)));
  model.dispose();
}

async function startRuntimes(folder, name, { batches, threads, python, layers }) {
  const first = [path('./lib/runtimeChild.mjs'), String(Math.max(...batches))];
  const child = (...args) => startChild(process.execPath, [...first, ...args], limits);
  const limits = { TF_NUM_INTRAOP_THREADS: String(threads), TF_NUM_INTEROP_THREADS: String(threads) };
  const runtimes = {
    ours: await child('tensorflow', name, 'graph'),
    'onnxruntime-node': await child('onnxruntime', join(folder, `${name}-*.onnx`), String(threads)),
  };
  if (layers) runtimes['ours, op by op'] = await child('tensorflow', name, 'layers');
  if (python) {
    const files = [join(folder, `${name}.safetensors`), join(folder, 'pictures.f32')];
    const args = [path('./lib/pytorch_child.py'), ...files, String(threads), name];
    runtimes.PyTorch = await startChild(python, args);
  }
  return runtimes;
}

/**
 * @param options {models, batches, rounds, threads, python, layers}: names of DeiT sizes; batch sizes; rounds; threads of
 *   each runtime; a Python with PyTorch, or undefined; whether our layers run op by op as well
 * @returns a row for each model, batch and runtime: {model, batch, runtime, best, middle, difference}: ms a picture, and
 *   the largest difference of its logits from ours as a part of the largest logit
 */
export async function measureNative(options = {}) {
  const { models = ['tiny', 'small', 'base'], batches = [1, 8], rounds = 6, threads = 2 } = options;
  const folder = await mkdtemp(join(tmpdir(), 'deit-bench-'));
  const rows = [];
  try {
    const most = Math.max(...batches);
    await writeFile(join(folder, 'pictures.f32'), toPlanes(makePictures(most), most));
    for (const model of models) {
      await writeFiles(folder, model, batches);
      const runtimes = await startRuntimes(folder, model, { ...options, batches, threads });
      for (const batch of batches) rows.push(...(await race(runtimes, model, batch, rounds)));
      for (const runtime of Object.values(runtimes)) runtime.end();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
  return rows;
}

/** Each runtime in turn, round after round. */
async function race(runtimes, model, batch, rounds) {
  const runs = batch === 1 ? 8 : 3;
  const logits = {};
  const times = {};
  for (const [name, runtime] of Object.entries(runtimes)) {
    logits[name] = (await runtime.ask(batch, 3)).logits;
    times[name] = [];
  }
  for (let round = 0; round < rounds; round++) {
    for (const [name, runtime] of Object.entries(runtimes)) {
      times[name].push(...(await runtime.ask(batch, runs)).times.map((ms) => ms / batch));
    }
  }
  return Object.keys(runtimes).map((runtime) => ({
    model,
    batch,
    runtime,
    best: Math.min(...times[runtime]),
    middle: median(times[runtime]),
    difference: largestDifference(logits.ours, logits[runtime]),
  }));
}

async function main() {
  const { values } = parseArgs({
    options: {
      models: { type: 'string', default: 'tiny,small,base' },
      batches: { type: 'string', default: '1,8' },
      rounds: { type: 'string', default: '6' },
      threads: { type: 'string', default: String(availableParallelism()) },
      python: { type: 'string', default: 'python3' },
      layers: { type: 'boolean', default: false },
    },
  });
  const python = hasPyTorch(values.python) ? values.python : undefined;
  if (!python) console.error(`${values.python} has no torch, timm and safetensors: PyTorch is left out`);
  const rows = await measureNative({
    models: values.models.split(','),
    batches: values.batches.split(',').map(Number),
    rounds: Number(values.rounds),
    threads: Number(values.threads),
    python,
    layers: values.layers,
  });
  console.log(`node ${process.version}, ${values.threads} threads, ms a picture`);
  console.log('model  batch  runtime             best  middle  logits differ by');
  for (const { model, batch, runtime, best, middle, difference } of rows) {
    const ms = (time) => time.toFixed(1).padStart(7);
    console.log(
      `${model.padEnd(6)} ${String(batch).padStart(5)}  ${runtime.padEnd(17)}${ms(best)} ${ms(middle)}  ${difference.toExponential(1)}`,
    );
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
