import { float8BitsToFloat32 } from './float8.js';
import { bfloat16BitsToFloat32, float16BitsToFloat32 } from './halfFloat.js';
import type { TensorDtype } from './types.js';
import { bytesToWideIntegers } from './wideIntegers.js';

/** Bytes of one element. */
export const ITEM_BYTES: Readonly<Record<TensorDtype, 1 | 2 | 4 | 8>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float8_e4m3fn: 1,
  float8_e4m3fnuz: 1,
  float8_e5m2: 1,
  float8_e5m2fnuz: 1,
  float8_e8m0fnu: 1,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
};

/** Bytes of one element of the types that are not read: two numbers, packed numbers, or codes of a quantiser. */
const UNREAD_ITEM_BYTES: Readonly<Record<string, number>> = {
  complex32: 4,
  complex64: 8,
  complex128: 16,
  qint8: 1,
  quint8: 1,
  qint32: 4,
  quint4x2: 1,
  quint2x4: 1,
  float4_e2m1fn_x2: 1,
  bits1x8: 1,
  bits2x4: 1,
  bits4x2: 1,
  bits8: 1,
  bits16: 2,
};

/** Whether elements of that type have one meaning as float32. */
export function isReadable(dtype: string): dtype is TensorDtype {
  return Object.hasOwn(ITEM_BYTES, dtype);
}

/** Bytes of one element of any type that PyTorch writes, or undefined for other names. */
export function itemBytes(dtype: string): number | undefined {
  if (isReadable(dtype)) return ITEM_BYTES[dtype];
  return Object.hasOwn(UNREAD_ITEM_BYTES, dtype) ? UNREAD_ITEM_BYTES[dtype] : undefined;
}

/** Every name that itemBytes knows. */
export const DTYPE_NAMES: readonly string[] = [...Object.keys(ITEM_BYTES), ...Object.keys(UNREAD_ITEM_BYTES)];

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
    case 'float8_e4m3fn':
    case 'float8_e4m3fnuz':
    case 'float8_e5m2':
    case 'float8_e5m2fnuz':
    case 'float8_e8m0fnu':
      return float8BitsToFloat32(bytes, dtype);
    case 'int64':
      return bytesToWideIntegers(aligned(bytes, 8), true);
    case 'uint64':
      return bytesToWideIntegers(aligned(bytes, 8), false);
    case 'int32':
      return new Float32Array(new Int32Array(aligned(bytes, 4)));
    case 'uint32':
      return new Float32Array(new Uint32Array(aligned(bytes, 4)));
    case 'int16':
      return new Float32Array(new Int16Array(aligned(bytes, 2)));
    case 'uint16':
      return new Float32Array(new Uint16Array(aligned(bytes, 2)));
    case 'int8':
      return new Float32Array(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    case 'uint8':
      return new Float32Array(bytes);
    case 'bool':
      return new Float32Array(bytes).map((byte) => (byte === 0 ? 0 : 1));
  }
}

/** The bytes of each element in the opposite order, as a copy. */
export function swapByteOrder(bytes: Uint8Array, itemBytes: number): Uint8Array {
  const swapped = new Uint8Array(bytes.byteLength);
  for (let start = 0; start < bytes.byteLength; start += itemBytes) {
    for (let i = 0; i < itemBytes; i++) swapped[start + i] = bytes[start + itemBytes - 1 - i]!;
  }
  return swapped;
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
