import { UserError } from '../../src/errors.js';
import { float32ToFloat16Bits } from '../formats/index.js';

/** How weights are stored. tfjs decodes all three by itself. */
export type WeightDtype = 'float32' | 'float16' | 'uint8';

/** How one weight is stored: `codes` are whole numbers from -127 to 127, a byte each. */
export type StoredDtype = WeightDtype | 'codes';

/** What a weights manifest says of a weight that is not stored as float32. */
export type Quantization = { dtype: 'float16' } | { dtype: 'uint8'; min: number; scale: number };

export interface EncodedWeight {
  bytes: Uint8Array;
  quantization?: Quantization;
}

/** Largest finite float16. */
const FLOAT16_MAX = 65504;

/** Bytes a value takes. Vectors (biases, norms) stay float32 under uint8: they are few and sensitive. */
export function bytesPerValue(dtype: StoredDtype, rank: number): number {
  if (dtype === 'codes') return 1;
  if (dtype === 'uint8') return rank > 1 ? 1 : 4;
  return dtype === 'float16' ? 2 : 4;
}

/** Encodes a weight for a tfjs layers model's shard. `name` is for the error only. */
export function encodeWeight(
  name: string,
  values: Float32Array,
  rank: number,
  dtype: StoredDtype,
): EncodedWeight {
  if (dtype === 'codes') return toBytes(values);
  if (dtype === 'float16') return toFloat16(name, values);
  if (dtype === 'uint8' && rank > 1) return toUint8(values);
  return { bytes: asBytes(values) };
}

function asBytes(values: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function toFloat16(name: string, values: Float32Array): EncodedWeight {
  const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (largest > FLOAT16_MAX) {
    throw new UserError(
      `${name}: ${largest} is beyond float16's ${FLOAT16_MAX}; convert with --dtype float32`,
    );
  }
  return { bytes: asBytes(float32ToFloat16Bits(values)), quantization: { dtype: 'float16' } };
}

/** Codes with 128 added, which tfjs takes off again: exact. */
function toBytes(values: Float32Array): EncodedWeight {
  const bytes = Uint8Array.from(values, (code) => code + 128);
  return { bytes, quantization: { dtype: 'uint8', min: -128, scale: 1 } };
}

/** Affine: value = min + scale · code. A range that holds zero is moved so that zero has a code of its own. */
function toUint8(values: Float32Array): EncodedWeight {
  let [low, high] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  const scale = high > low ? (high - low) / 255 : 1;
  const min = -Math.round(-low / scale) * scale;
  const codes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i++) {
    codes[i] = Math.min(255, Math.max(0, Math.round((values[i]! - min) / scale)));
  }
  return { bytes: codes, quantization: { dtype: 'uint8', min: min === 0 ? 0 : min, scale } };
}
