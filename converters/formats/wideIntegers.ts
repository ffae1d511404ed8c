/**
 * Little-endian 64-bit integers → float32, rounded once, to the nearest, ties to even, as PyTorch and NumPy do.
 *
 * A double holds 53 bits, so that summing two halves would round, and the step to float32 once more. Here the lowest
 * 11 bits of wide numbers become one: set where any of them was. The sum is then exact, and on the same side of every
 * tie of float32, whose ties lie 2^28 apart or more from 2^53 on.
 */
export function bytesToWideIntegers(buffer: ArrayBufferLike, isSigned: boolean): Float32Array {
  const words = new Int32Array(buffer);
  const values = new Float32Array(words.length / 2);
  for (let i = 0; i < values.length; i++) {
    const low = words[2 * i]! >>> 0;
    const high = isSigned ? words[2 * i + 1]! : words[2 * i + 1]! >>> 0;
    const isExact = high >= -0x200000 && high < 0x200000;
    values[i] = high * 2 ** 32 + (isExact ? low : stickyLow(low));
  }
  return values;
}

function stickyLow(low: number): number {
  const kept = (low & 0xfffff800) >>> 0;
  return (low & 0x7ff) === 0 ? kept : (kept | 0x800) >>> 0;
}
