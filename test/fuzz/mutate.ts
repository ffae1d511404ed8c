/** Changes to files that readers must bear. */
import fc from 'fast-check';
import { joinBytes, raw, u64 } from '../converters/formats/builders.js';

/** Numbers at which readers go wrong. */
export const EDGES = [
  0,
  1,
  2,
  6,
  7,
  127,
  128,
  255,
  256,
  32767,
  65535,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 60,
  2 ** 63,
];

/** A place from 0 to 1, all alike; fast-check's doubles crowd at 0. */
export const fraction = fc.nat(2 ** 31 - 2).map((number) => number / (2 ** 31 - 1));

export const edge = fc.oneof(fc.constantFrom(...EDGES), fc.nat(100));

/** Some of: a bit turned, a byte or a number set, a stretch cut, doubled, moved, overwritten or taken from elsewhere. */
export function mutated(
  base: fc.Arbitrary<Uint8Array>,
  corpus: readonly Uint8Array[],
): fc.Arbitrary<Uint8Array> {
  const length = fc.oneof(fc.integer({ min: 1, max: 16 }), fc.integer({ min: 1, max: 2000 }));
  const step = fc.record({
    how: fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom('bit', 'byte', 'zero', 'u16', 'u32', 'u64') },
      { weight: 1, arbitrary: fc.constantFrom('cut', 'delete', 'double', 'insert', 'splice') },
    ),
    place: fraction,
    from: fraction,
    length,
    number: edge,
    noise: fc.uint8Array({ minLength: 1, maxLength: 12 }),
    other: fc.constantFrom(...corpus),
  });
  return fc.tuple(base, fc.array(step, { minLength: 1, maxLength: 3 })).map(([bytes, steps]) => {
    let result: Uint8Array = bytes.slice();
    for (const { how, place, from, length, number, noise, other } of steps) {
      const at = Math.floor(place * result.length);
      const end = Math.min(result.length, at + length);
      const head = result.subarray(0, at);
      const tail = result.subarray(end);
      const start = Math.floor(from * other.length);
      if (how === 'bit' && at < result.length) result[at]! ^= 1 << (number % 8);
      else if (how === 'byte' && at < result.length) result[at] = number % 256;
      else if (how === 'u16' || how === 'u32' || how === 'u64') result = overwrite(result, at, number, how);
      else if (how === 'cut') result = head.slice();
      else if (how === 'delete') result = joinBytes(head, tail);
      else if (how === 'double') result = joinBytes(result.subarray(0, end), result.subarray(at));
      else if (how === 'insert') result = joinBytes(head, noise, result.subarray(at));
      else if (how === 'splice') result = joinBytes(head, other.subarray(start, start + length), tail);
      else if (how === 'zero') result.fill(0, at, end);
    }
    return result;
  });
}

function overwrite(bytes: Uint8Array, at: number, number: number, width: 'u16' | 'u32' | 'u64'): Uint8Array {
  const field = raw(u64(number)).subarray(0, Number(width.slice(1)) / 8);
  return joinBytes(bytes.subarray(0, at), field, bytes.subarray(at + field.length));
}
