/** Joins typed arrays. A single one is returned as it is, not as a copy. */

export function concatBytes<T extends ArrayBufferLike>(parts: readonly Uint8Array<T>[]): Uint8Array<T> {
  return parts.length === 1
    ? parts[0]!
    : (copyInto(new Uint8Array(totalLength(parts)), parts) as Uint8Array<T>);
}

export function concatFloats<T extends ArrayBufferLike>(parts: readonly Float32Array<T>[]): Float32Array<T> {
  return parts.length === 1
    ? parts[0]!
    : (copyInto(new Float32Array(totalLength(parts)), parts) as Float32Array<T>);
}

function totalLength(parts: readonly { readonly length: number }[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

function copyInto<A extends Uint8Array | Float32Array>(out: A, parts: readonly ArrayLike<number>[]): A {
  let start = 0;
  for (const part of parts) {
    out.set(part, start);
    start += part.length;
  }
  return out;
}
