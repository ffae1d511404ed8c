import { expect, test } from '@jest/globals';
import { plainPasses, type Rows, type Taps } from '../../../src/image/passes.js';
import { wasmPasses } from '../../../src/image/wasm/passes.js';
import { Random } from '../../../src/random.js';

const random = Random.fromSeed(5);
const below = (limit: number) => Math.floor(random.uniform() * limit);

/** Taps within `inSize` positions from `offset` on, in rising order; weights go far beyond those of a resize. */
function makeTaps(inSize: number, outSize: number, most: number, offset: number): Taps {
  const stride = Math.ceil(most / 4) * 4;
  const first = new Int32Array(outSize);
  const count = new Int32Array(outSize);
  const weights = new Int32Array(outSize * stride);
  for (let i = 0; i < outSize; i++) {
    const begin = Math.min(inSize - 1, Math.floor((i * inSize) / outSize));
    count[i] = Math.min(inSize - begin, most);
    first[i] = offset + begin;
    for (let t = 0; t < count[i]!; t++) weights[i * stride + t] = below(2 ** 22) - 2 ** 20;
  }
  return { first, count, weights, stride };
}

/** Random rows inside of a larger array. */
function makeRows(width: number, height: number): Rows {
  const rowBytes = width * 3 + below(20);
  const offset = below(50);
  const data = Uint8Array.from(
    { length: offset + rowBytes * height },
    (_, i) => Math.imul(i + offset, 0x9e3779b1) >>> 24,
  );
  return { data, offset, rowBytes };
}

const bytes = ({ data }: Rows) => Buffer.from(data.buffer, data.byteOffset, data.length).toString('hex');

test('the SIMD passes run here, and give the bytes of the plain ones', () => {
  const fast = wasmPasses()!;
  expect(fast).toBeDefined();
  for (let trial = 0; trial < 60; trial++) {
    const [width, height] = [1 + below(90), 1 + below(60)];
    const source = makeRows(width, height);
    const start = below(30);
    const across = makeTaps(width, 1 + below(70), 1 + below(Math.min(width, 40)), start);
    expect(bytes(fast.horizontal(source, start, height, across))).toBe(
      bytes(plainPasses.horizontal(source, start, height, across)),
    );
    const down = makeTaps(height, 1 + below(70), 1 + below(Math.min(height, 40)), start);
    expect(bytes(fast.vertical(source, start, width, down))).toBe(
      bytes(plainPasses.vertical(source, start, width, down)),
    );
  }
});

test('an image that does not fit in one block is resampled in several', () => {
  const fast = wasmPasses()!;
  const [width, height] = [2500, 1200];
  const source = makeRows(width, height);
  const across = makeTaps(width, 300, 20, 0);
  expect(bytes(fast.horizontal(source, 0, height, across))).toBe(
    bytes(plainPasses.horizontal(source, 0, height, across)),
  );
  const down = makeTaps(height, 200, 20, 0);
  expect(bytes(fast.vertical(source, 0, width, down))).toBe(
    bytes(plainPasses.vertical(source, 0, width, down)),
  );
});
