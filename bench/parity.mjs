/**
 * Full-size checkpoints against PyTorch: converts each, loads it on the WASM backend, and compares its logits with
 * those that PyTorch gave for the same input. Says what conversion took in time and memory.
 *
 *     npm run build && node bench/parity.mjs CHECKPOINTS [--dtypes float32,float16,uint8] [--direct]
 *
 * CHECKPOINTS holds checkpoint files, ref.json ({FILE: {input: "224", logits: […]}}) and the inputs as x224.f32 …
 * (raw float32, [3, size, size], normalised). --direct loads each checkpoint without a converted folder as well.
 * Exit 1 if a float32 model's logits are more than 1e-5 of the largest from PyTorch's, or a float16 one's 2e-3.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { load } from '../dist/src/node/index.js';
import { CONVERTER, runProgram } from './lib/runProgram.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dtypes: { type: 'string', default: 'float32,float16,uint8' },
    direct: { type: 'boolean', default: false },
  },
});
const [folder] = positionals;
/** Largest difference from PyTorch's logits, relative to the largest of them; uint8 is shown, not judged. */
const LIMITS = { float32: 1e-5, float16: 2e-3, uint8: Number.POSITIVE_INFINITY };

/** A raw image in PyTorch's order of axes as a model's input. */
function readInput(size) {
  const bytes = readFileSync(join(folder, `x${size}.f32`));
  const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return tf.tidy(() => tf.transpose(tf.tensor4d(values, [1, 3, Number(size), Number(size)]), [0, 2, 3, 1]));
}

async function relativeError(source, { input, logits }) {
  const model = await load(source, { backend: 'wasm' });
  const x = readInput(input);
  const y = model.predict(x);
  const found = y.dataSync();
  const scale = Math.max(...logits.map(Math.abs));
  const error = Math.max(...logits.map((value, i) => Math.abs(found[i] - value))) / scale;
  tf.dispose([x, y]);
  model.dispose();
  return found.length === logits.length ? error : Number.POSITIVE_INFINITY;
}

const reference = JSON.parse(readFileSync(join(folder, 'ref.json'), 'utf8'));
const scratch = mkdtempSync(join(tmpdir(), 'deit-parity-'));
let failed = 0;
const row = (cells) =>
  console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(34) : cell.padStart(10))).join(' '));
row(['checkpoint', 'dtype', 'error', 'convert s', 'peak MB']);
try {
  for (const [name, expected] of Object.entries(reference)) {
    const file = join(folder, name);
    if (options.direct) {
      const error = await relativeError(file, expected);
      if (!(error <= LIMITS.float32)) failed++;
      row([name, 'direct', error.toExponential(1), '', '']);
    }
    for (const dtype of options.dtypes.split(',')) {
      const target = join(scratch, `${name}-${dtype}`);
      const args = [...CONVERTER, file, target, '--dtype', dtype];
      const { seconds, megabytes } = await runProgram(process.execPath, args);
      const error = await relativeError(target, expected);
      if (!(error <= LIMITS[dtype])) failed++;
      row([name, dtype, error.toExponential(1), seconds.toFixed(1), megabytes.toFixed(0)]);
      rmSync(target, { recursive: true });
    }
  }
} finally {
  rmSync(scratch, { recursive: true });
}
console.log(failed === 0 ? 'all within bounds' : `${failed} out of bounds`);
process.exitCode = failed === 0 ? 0 : 1;
