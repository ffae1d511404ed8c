import { deflateSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { inflatedLength, inflateInto } from '../../../src/image/formats/inflate.js';
import { Random } from '../../../src/random.js';

const random = Random.fromSeed(3);

/** Bytes that repeat now and then, so that all kinds of blocks come up. */
function content(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const copied = i > 300 && random.uniform() < 0.7;
    bytes[i] = copied
      ? bytes[i - 1 - Math.floor(random.uniform() * 300)]!
      : Math.floor(random.uniform() * 256);
  }
  return bytes;
}

function inflated(stream: Uint8Array, limit = Number.POSITIVE_INFINITY) {
  const parts: Uint8Array[] = [];
  let length = 0;
  const { end } = inflateInto(stream, (bytes) => {
    parts.push(bytes.slice());
    length += bytes.length;
    return length <= limit;
  });
  return { end, bytes: Buffer.concat(parts) };
}

test.each([
  ['stored', { level: 0 }],
  ['fixed codes', { strategy: 4 }],
  ['codes of their own', { level: 9 }],
  ['run lengths', { strategy: 3 }],
  ['literals alone', { strategy: 2 }],
])('%s: what zlib has deflated, of every length', (_name, options) => {
  for (const length of [0, 1, 100, 5000, 98_303, 98_304, 98_305, 400_000]) {
    const expected = Buffer.from(content(length));
    const { end, bytes } = inflated(deflateSync(expected, options));
    expect(end).toBe('end');
    expect(bytes.equals(expected)).toBe(true);
  }
});

test('what was there before the end or the damage is given', () => {
  const expected = Buffer.from(content(50_000));
  const stream = deflateSync(expected);
  const cut = inflated(stream.subarray(0, stream.length >> 1));
  expect(cut.end).toBe('truncated');
  expect(cut.bytes.length).toBeGreaterThan(10_000);
  expect(expected.subarray(0, cut.bytes.length).equals(cut.bytes)).toBe(true);
  const wrong = Uint8Array.from(stream);
  wrong[wrong.length - 1]! ^= 1;
  expect(inflated(wrong)).toMatchObject({ end: 'broken', bytes: expected });
  expect(inflated(Uint8Array.of(0x78, 0x9d, 1, 2)).end).toBe('broken');
  expect(inflated(Uint8Array.of(0x78, 0x9c, 7)).end).toBe('broken');
});

test('a bomb is left as soon as there was enough', () => {
  const bomb = deflateSync(Buffer.alloc(50_000_000));
  expect(inflated(bomb, 1000)).toMatchObject({ end: 'enough' });
  expect(inflatedLength(bomb, 1_000_000)).toBe(1_000_001);
  expect(inflatedLength(deflateSync(Buffer.alloc(777)), 1000)).toBe(777);
});

test('mutated streams end, and never in an error of another kind', () => {
  const stream = deflateSync(content(3000));
  for (let trial = 0; trial < 2000; trial++) {
    const mutated = Uint8Array.from(stream);
    mutated[Math.floor(random.uniform() * mutated.length)] = Math.floor(random.uniform() * 256);
    expect(['end', 'truncated', 'broken']).toContain(inflated(mutated).end);
  }
});
