// node bench/sweep/values.mjs FOLDER : what values.py wrote, through the package on WASM, beside PyTorch's output
//
// A line each: the largest difference relative to the largest output, the same in int8, whether attention weights and a
// SavedModel come out. Exits with 1 if a model that converts is off by more than 1e-5.
import { readdirSync, readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { convertRead } from '../../dist/converters/convertWithFacts.js';
import { readFolder } from '../../dist/converters/folders/readFolder.js';
import { writeSavedModel } from '../../dist/converters/write/savedModel/index.js';
import { UserError } from '../../dist/src/errors.js';
import { quantize } from '../../dist/src/families/vit/quantize.js';
import { loadFrom } from '../../dist/src/models/load.js';
import { openLocalFolder } from '../../dist/src/node/localFolder.js';

await tf.setBackend('wasm');
const folder = process.argv[2];

/** The value, or the reason in one line of a refusal; a defect is thrown. */
async function attempt(run) {
  try {
    return await run();
  } catch (error) {
    if (error instanceof UserError) return `refused: ${error.message}`;
    throw error;
  }
}

async function predictOff(source, x, expected) {
  const model = await loadFrom(source, { backend: 'wasm' });
  const y = model.predict(x);
  const values = await y.data();
  y.dispose();
  model.dispose();
  if (values.length !== expected.length) return Number.POSITIVE_INFINITY;
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - values[i]))) / largest;
}

async function attention(source, x) {
  const model = await loadFrom(source, { backend: 'wasm' });
  try {
    const features = model.features(x, { attention: true });
    return features ? 'yes' : 'no';
  } finally {
    model.dispose();
  }
}

async function savedModel({ config, readWeight }) {
  await writeSavedModel(config, readWeight, { write: async () => {} });
  return 'yes';
}

const number = (value) => (typeof value === 'number' ? value.toExponential(1) : value);
let failed = 0;
for (const name of readdirSync(folder).sort()) {
  const { shape, output } = JSON.parse(readFileSync(`${folder}/${name}/expected.json`, 'utf8'));
  const bytes = readFileSync(`${folder}/${name}/input.f32`);
  const pixels = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  const files = await openLocalFolder(`${folder}/${name}`);
  const made = await attempt(async () => convertRead(await readFolder(files)));
  if (typeof made === 'string') console.log(name, made);
  else {
    const x = tf.tensor4d(pixels, shape);
    const off = await attempt(() => predictOff(made, x, output));
    if (!(off <= 1e-5)) failed++;
    const int8 = await attempt(() => predictOff(quantize(made), x, output));
    const maps = await attempt(() => attention(made, x));
    const saved = await attempt(() => savedModel(made));
    console.log(`${name} wasm ${number(off)} int8 ${number(int8)} attention ${maps} SavedModel ${saved}`);
    x.dispose();
  }
  await files.close();
}
console.log(`${failed} off by more than 1e-5`);
process.exitCode = failed > 0 ? 1 : 0;
