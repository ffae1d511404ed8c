/** Weights as a layers model's shards hold them (converters/write/encodeWeight.ts) → float32, by tfjs' rules. */
import { float16BitsToFloat32 } from '../../converters/formats/halfFloat.js';
import type { StoredSpec } from './checkMetadata.js';

/** @param bytes a copy of the weight's own, aligned for any dtype */
export function decodeStored({ quantization }: StoredSpec, bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, byteLength } = bytes;
  if (!quantization) return new Float32Array(buffer, byteOffset, byteLength / 4);
  if (quantization.dtype === 'float16') {
    return float16BitsToFloat32(new Uint16Array(buffer, byteOffset, byteLength / 2));
  }
  const { dtype, scale, min } = quantization;
  const codes = dtype === 'uint8' ? bytes : new Uint16Array(buffer, byteOffset, byteLength / 2);
  const values = new Float32Array(codes.length);
  for (let i = 0; i < codes.length; i++) values[i] = codes[i]! * scale + min;
  return values;
}
