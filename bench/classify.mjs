/**
 * One JPEG file → the five most probable classes, everything by default: `classify` here beside the pipeline
 * `image-classification` of @huggingface/transformers, each in a process of its own, turn by turn. Decoding, resizing and
 * threads are as each chooses them.
 *
 *     npm run build && npm ci --ignore-scripts --prefix bench
 *     node bench/classify.mjs [--models tiny,small,base] [--rounds 7] [--quantize int8]
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import sharp from 'sharp';
import { describeMachine } from './lib/machine.mjs';
import { writeModelFiles } from './lib/modelFiles.mjs';
import { median } from './lib/race.mjs';
import { table } from './lib/results.mjs';

const SIZE = 224;
/** How long a turn lasts, in ms. */
const TURN = 400;

const openers = {
  'deit-tfjs, classify': async ({ folder, image, quantize }) => {
    const deit = await import('../dist/src/node/index.js');
    const model = await deit.load(join(folder, 'layers'), { backend: 'wasm', ...(quantize && { quantize }) });
    return async () => (await model.classify(image)).length;
  },
  '@huggingface/transformers, pipeline': async ({ folder, image }) => {
    const { env, pipeline } = await import('@huggingface/transformers');
    env.allowRemoteModels = false;
    env.localModelPath = join(folder, 'onnx');
    const classify = await pipeline('image-classification', '1', { device: 'cpu', dtype: 'fp32' });
    return async () => (await classify(image, { top_k: 5 })).length;
  },
};

/** A contender's process: a line of stdin is a turn, whose times are a line of stdout. */
async function contend({ title, ...options }) {
  const run = await openers[title](options);
  for (let i = 0; i < 3; i++) if ((await run()) !== 5) throw new Error('five classes are expected');
  console.log('[]');
  for await (const _ of createInterface({ input: process.stdin })) {
    const times = [];
    for (const end = performance.now() + TURN; performance.now() < end; ) {
      const start = performance.now();
      await run();
      times.push(performance.now() - start);
    }
    console.log(JSON.stringify(times));
  }
  process.exit(0);
}

async function start(options) {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  await lines.next();
  return {
    async turn() {
      child.stdin.write('\n');
      return JSON.parse((await lines.next()).value);
    },
    end: () => child.kill('SIGKILL'),
  };
}

/** What the pipeline reads beside the graph: the same preparation as the model's here. */
const PROCESSOR = {
  image_processor_type: 'ViTImageProcessor',
  do_resize: true,
  size: { height: SIZE, width: SIZE },
  resample: 3,
  do_rescale: true,
  rescale_factor: 1 / 255,
  do_normalize: true,
  image_mean: [0.485, 0.456, 0.406],
  image_std: [0.229, 0.224, 0.225],
};

async function compare(name, { rounds, quantize }) {
  const folder = await mkdtemp(join(tmpdir(), 'deit-bench-'));
  const image = join(folder, 'photo.jpg');
  const noise = Uint8Array.from({ length: 96 * 72 * 3 }, (_, i) => (i * i * 31 + i * 7) & 255);
  await sharp(noise, { raw: { width: 96, height: 72, channels: 3 } })
    .resize(500, 375)
    .jpeg()
    .toFile(image);
  const children = [];
  try {
    await writeModelFiles(folder, name, SIZE, [1]);
    const graph = join(folder, 'onnx', '1');
    await writeFile(join(graph, 'preprocessor_config.json'), JSON.stringify(PROCESSOR));
    for (const title of Object.keys(openers)) children.push(await start({ title, folder, image, quantize }));
    const times = children.map(() => []);
    for (let round = 0; round < rounds; round++) {
      for (const [i, child] of children.entries()) times[i].push(...(await child.turn()));
    }
    const medians = times.map(median);
    const cell = (i) => `${medians[i].toFixed(1)} (${Math.min(...times[i]).toFixed(1)})`;
    return [
      name,
      cell(0),
      cell(1),
      (medians[0] / medians[1]).toFixed(2),
      (Math.min(...times[0]) / Math.min(...times[1])).toFixed(2),
    ];
  } finally {
    for (const child of children) child.end();
    await rm(folder, { recursive: true });
  }
}

if (process.argv[2]?.startsWith('{')) {
  await contend(JSON.parse(process.argv[2]));
} else {
  const { values } = parseArgs({
    options: {
      models: { type: 'string', default: 'tiny,small,base' },
      rounds: { type: 'string', default: '7' },
      quantize: { type: 'string' },
    },
  });
  const rows = [];
  for (const name of values.models.split(',')) {
    rows.push(await compare(name, { rounds: Number(values.rounds), quantize: values.quantize }));
  }
  const [ours, theirs] = Object.keys(openers);
  const first = values.quantize ? `${ours}, ${values.quantize}` : ours;
  console.log(`${describeMachine()}; a JPEG file of 500 × 375, ms, medians (least)\n`);
  console.log(table(['', first, theirs, 'of its time', 'by the least'], rows));
  process.exit(0);
}
