/**
 * `deit eval` from files against its parts: decoding alone and the model alone, each on all cores, turn by turn.
 *
 *     npm run build && node bench/pipeline.mjs VAL_DIR MODEL [--images 400] [--rounds 3] [--threads N]
 *         [--batch-size 8] [--backend wasm|tensorflow] [--quantize int8] [--python PYTHON] [--name NAME]
 *         [--memory 10000] [--out FILE|-]
 *
 * MODEL is a converted folder or a checkpoint, or `tiny`, `small` or `base`: a DeiT with random weights. --python has
 * PyTorch evaluate the same files (contenders/pytorch_eval.py) in the same rounds.
 *
 * Files are taken again from the first when there are fewer than --images. Start-up (threads, loading the model) is
 * left out by counting from the first answer of every thread on; it is given beside. --memory evaluates that many
 * images and shows how the process's memory grew. Figures go into RESULTS.md as section `pipeline NAME`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { predictBatches } from '../dist/src/evaluate/index.js';
import { fileDataset } from '../dist/src/node/data/fileDataset.js';
import { openImageFolder } from '../dist/src/node/data/imageFolder.js';
import { loadDataset } from '../dist/src/node/data/loaders.js';
import { load, openModel } from '../dist/src/node/index.js';
import { describeMachine } from './lib/machine.mjs';
import { writeLayers } from './lib/modelFiles.mjs';
import { makeImages } from './lib/models.mjs';
import { peakMegabytes } from './lib/peakMemory.mjs';
import { median, processorClock } from './lib/race.mjs';
import { RESULTS, table, writeSection } from './lib/results.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    images: { type: 'string', default: '400' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: String(availableParallelism()) },
    'batch-size': { type: 'string', default: '8' },
    backend: { type: 'string', default: 'wasm' },
    quantize: { type: 'string' },
    python: { type: 'string' },
    name: { type: 'string' },
    memory: { type: 'string' },
    out: { type: 'string', default: RESULTS },
  },
});
const [valDir, modelName] = positionals;
if (!modelName) {
  console.error('node bench/pipeline.mjs VAL_DIR MODEL: which images, which model?');
  process.exit(2);
}
const threads = Number(options.threads);
const batchSize = Number(options['batch-size']);
const { quantize, backend } = options;
const native = backend !== 'wasm';
const temporary = mkdtempSync(join(tmpdir(), 'deit-pipeline-'));
process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
const modelPath = ['tiny', 'small', 'base'].includes(modelName) ? join(temporary, 'model') : modelName;
if (modelPath !== modelName) (await writeLayers(modelPath, modelName)).model.dispose();
const name =
  options.name ??
  [basename(modelName), ...(quantize ? [quantize] : []), ...(native ? ['native'] : [])].join(' ');

const { source, close } = await openModel(modelPath);
const { config, labels, preprocessing } = source;
await close();
// Which class an image has is no matter here: a model without labels takes the folders' names.
const names = readdirSync(valDir).sort();
const folder = await openImageFolder(
  valDir,
  labels ? { numClasses: config.numClasses, labels } : { numClasses: names.length, labels: names },
);
const filesOf = (count) => Array.from({ length: count }, (_, i) => folder.describe(i % folder.length));

/**
 * Runs a sequence of batches to its end.
 *
 * @param skip batches before the clock starts
 * @returns wall and processor time in ms an image, the latter of all threads together; ms before the clock started
 */
async function timed(makeBatches, skip) {
  const start = performance.now();
  let seen = 0;
  let images = 0;
  let begun = skip === 0 ? [performance.now(), processorClock()] : undefined;
  for await (const { indices } of makeBatches()) {
    if (begun) images += indices.length;
    seen++;
    if (seen === skip) begun = [performance.now(), processorClock()];
  }
  const [wall, processor] = [performance.now() - begun[0], processorClock() - begun[1]];
  return { wall: wall / images, processor: processor / images, startUp: begun[0] - start };
}

const model = await load(modelPath, {
  backend: native ? backend : 'wasm',
  quantize: /** @type {'int8' | undefined} */ (quantize),
  threads,
});

/** Decodes files and nothing more; the threads end with the iteration. */
async function* prepare(files) {
  const loader = loadDataset(
    fileDataset('', files, new Int32Array(files.length), []),
    preprocessing,
    threads,
  );
  try {
    yield* loader.batches(batchSize);
  } finally {
    await loader.close();
  }
}
const predict = (files) => predictBatches(model, prepare(files));

/** The model alone, on as many threads. */
async function startModels() {
  const [height, width] = config.imgSize;
  const data = makeImages(batchSize, Math.max(height, width)).slice(0, batchSize * height * width * 3);
  return {
    async run(batches) {
      for (let i = 0; i < batches; i++) await model.predictPixels(data, batchSize);
    },
    close: async () => {},
  };
}

async function timedModel(batches) {
  const models = await startModels();
  try {
    await models.run(2 * threads);
    const begun = [performance.now(), processorClock()];
    const count = threads * Math.ceil(batches / threads);
    await models.run(count);
    const images = count * batchSize;
    return {
      wall: (performance.now() - begun[0]) / images,
      processor: (processorClock() - begun[1]) / images,
    };
  } finally {
    await models.close();
  }
}

/** The same files in PyTorch, by a process of its own. */
function timedPyTorch(files) {
  const { resize, crop, mean, std } = preprocessing;
  const { patchSize, embedDim, depth, numHeads, numClasses } = config;
  const plain = !config.distilled && config.layerScale === null && resize.mode === 'short';
  if (!plain) throw new Error('--python: PyTorch is set up for a plain ViT, resized by its short side');
  const model = { size: crop[0], patchSize, embedDim, depth, numHeads, numClasses };
  const work = { files, resize: resize.size, mean, std, batchSize, threads, skip: 2 };
  const job = join(temporary, 'job.json');
  writeFileSync(job, JSON.stringify({ ...model, ...work }));
  const script = fileURLToPath(new URL('./contenders/pytorch_eval.py', import.meta.url));
  const { status, stdout, stderr } = spawnSync(options.python, [script, job], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${options.python}: ${stderr.trim().split('\n').at(-1)}`);
  return JSON.parse(stdout);
}

async function measureParts() {
  const count = Number(options.images);
  const files = filesOf(count);
  const parts = {
    'decoding alone': () => timed(() => prepare(files), 2),
    'model alone': () => timedModel(Math.ceil(count / batchSize)),
    'deit eval': () => timed(() => predict(files), native ? 1 : threads),
    ...(options.python && { 'PyTorch, DataLoader of as many processes': () => timedPyTorch(files) }),
  };
  const results = Object.keys(parts).map(() => []);
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const [i, part] of Object.values(parts).entries()) {
      results[i].push(await part());
      const { wall, processor } = results[i].at(-1);
      console.error(
        `  ${Object.keys(parts)[i]}: ${wall.toFixed(1)} ms an image, processor ${processor.toFixed(1)}`,
      );
    }
  }
  const middle = (i, key) => median(results[i].map((result) => result[key]));
  const times = results.map((_, i) => ({ wall: middle(i, 'wall'), processor: middle(i, 'processor') }));
  const [decoding, alone, all, pyTorch] = times;
  const rows = Object.keys(parts).map((title, i) => [
    title,
    times[i].wall.toFixed(2),
    (1000 / times[i].wall).toFixed(1),
    times[i].processor.toFixed(2),
  ]);
  const slower = Math.max(decoding.wall, alone.wall);
  const against = (value, bound) => (value / bound).toFixed(2);
  return [
    `${describeMachine()}; ${count} images of ${folder.length} files, batches of ${batchSize}, ${threads} threads; medians of ${options.rounds} interleaved rounds, start-up (${(middle(2, 'startUp') / 1000).toFixed(1)} s) left out.`,
    table(['', 'ms an image', 'images/s', 'processor, ms an image'], rows),
    `The whole against the slower of its parts: **${against(all.wall, slower)}** by the clock, **${against(all.processor, Math.max(decoding.processor, alone.processor))}** by the processor's time, in which other programs do not count; against their sum, which is what the cores have to compute: ${against(all.wall, decoding.wall + alone.wall)} and ${against(all.processor, decoding.processor + alone.processor)}.`,
    ...(pyTorch
      ? [
          `PyTorch takes ${against(pyTorch.wall, all.wall)} times as long by the clock, ${against(pyTorch.processor, all.processor)} times by the processor's.`,
        ]
      : []),
  ];
}

/** Least-squares slope of MB over images. */
function slope(samples) {
  const mean = (pick) => samples.reduce((sum, sample) => sum + pick(sample), 0) / samples.length;
  const [x, y] = [mean(([count]) => count), mean(([, megabytes]) => megabytes)];
  const shared = mean(([count, megabytes]) => (count - x) * (megabytes - y));
  return shared / mean(([count]) => (count - x) ** 2);
}

async function measureMemory(count) {
  const samples = [];
  let done = 0;
  for await (const { indices } of predict(filesOf(count))) {
    done += indices.length;
    samples.push([done, process.memoryUsage.rss() / 2 ** 20]);
  }
  const at = (part) => samples[Math.floor(part * (samples.length - 1))][1].toFixed(0);
  const later = samples.filter(([images]) => images > count / 4);
  return `Memory over ${count} images: ${at(0.05)} MB after a twentieth, ${at(0.25)} after a quarter, ${at(0.5)} at half, ${at(1)} at the end (peak ${peakMegabytes().toFixed(0)}); from the first quarter on it changes by ${(1000 * slope(later)).toFixed(2)} MB for 1,000 images.`;
}

const body = options.memory
  ? [`${describeMachine()}.`, await measureMemory(Number(options.memory))]
  : await measureParts();
const markdown = [
  `### ${options.memory ? 'Memory of evaluation' : 'Evaluation from files'}: ${name}`,
  ...body,
].join('\n\n');
console.log(markdown);
if (options.out !== '-')
  writeSection(options.out, `${options.memory ? 'memory' : 'pipeline'} ${name}`, markdown);
model?.dispose();
