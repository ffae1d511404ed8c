import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../../../src/random.js';

/** Magic number, sizes and bytes of an IDX file. */
function idx(sizes: number[], bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + 4 * sizes.length + bytes.length);
  out.set([0, 0, 8, sizes.length]);
  const view = new DataView(out.buffer);
  for (const [i, size] of sizes.entries()) view.setUint32(4 + 4 * i, size);
  out.set(bytes, 4 + 4 * sizes.length);
  return out;
}

/** A folder of MNIST's four files with made-up images of 28×28: a bright bar whose place is the class, and noise. */
export async function writeDigits(train: number, test: number): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'deit-digits-'));
  const random = Random.fromSeed(7);
  for (const [prefix, count] of [
    ['train', train],
    ['t10k', test],
  ] as const) {
    const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
    const pixels = new Uint8Array(count * 784);
    for (let i = 0; i < pixels.length; i++) {
      const row = Math.floor((i % 784) / 28);
      const bright = Math.floor(row / 2.8) === labels[Math.floor(i / 784)];
      pixels[i] = (bright ? 150 : 0) + random.integer(100);
    }
    await writeFile(join(folder, `${prefix}-images-idx3-ubyte`), idx([count, 28, 28], pixels));
    await writeFile(join(folder, `${prefix}-labels-idx1-ubyte`), idx([count], labels));
  }
  return folder;
}
