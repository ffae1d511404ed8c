import { bfloat16BitsToFloat32, float16BitsToFloat32 } from './halfFloat.js';
import type { TensorDtype } from './types.js';

/** Bytes of one element. */
export const ITEM_BYTES: Readonly<Record<TensorDtype, 1 | 2 | 4 | 8>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/**
 * Little-endian elements → float32. The result never shares memory with a larger buffer, so that it may be kept;
 * bytes that own their buffer are taken over without a copy where they are float32 already.
 */
export function bytesToFloat32(bytes: Uint8Array, dtype: TensorDtype): Float32Array {
  switch (dtype) {
    case 'float32': {
      const own = ownBuffer(bytes);
      return new Float32Array(own.buffer, 0, own.byteLength / 4);
    }
    case 'float64':
      return new Float32Array(new Float64Array(aligned(bytes, 8)));
    case 'float16':
      return float16BitsToFloat32(new Uint16Array(aligned(bytes, 2)));
    case 'bfloat16':
      return bfloat16BitsToFloat32(new Uint16Array(aligned(bytes, 2)));
    case 'int64':
      return int64ToFloat32(new Int32Array(aligned(bytes, 8)));
    case 'int32':
      return new Float32Array(new Int32Array(aligned(bytes, 4)));
    case 'int16':
      return new Float32Array(new Int16Array(aligned(bytes, 2)));
    case 'int8':
      return new Float32Array(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    case 'uint8':
      return new Float32Array(bytes);
    case 'bool':
      return new Float32Array(bytes).map((byte) => (byte === 0 ? 0 : 1));
  }
}

function int64ToFloat32(words: Int32Array): Float32Array {
  const values = new Float32Array(words.length / 2);
  for (let i = 0; i < values.length; i++) {
    values[i] = words[2 * i + 1]! * 2 ** 32 + (words[2 * i]! >>> 0);
  }
  return values;
}

/** The same bytes in a buffer that holds nothing else. */
function ownBuffer(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

/** A buffer whose length counts whole items: typed arrays over a view need its offset to be a multiple. */
function aligned(bytes: Uint8Array, itemBytes: number): ArrayBufferLike {
  const own = ownBuffer(bytes);
  if (own.byteLength % itemBytes !== 0)
    throw new RangeError(`${own.byteLength} bytes of ${itemBytes}-byte items`);
  return own.buffer;
}
