/** A tensor to be written; its values are asked for when its turn comes. */
import { sizeOf } from '../../src/shape.js';
export interface WritableTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** float32, in row-major order. */
  readonly read: () => Float32Array | Promise<Float32Array>;
}

/**
 * The bytes of a safetensors file of float32 tensors (github.com/huggingface/safetensors, "Format"): the header's
 * length, a JSON header padded to 8 bytes, the tensors one behind the other. The same tensors give the same bytes.
 */
export async function* safetensorsChunks(
  tensors: readonly WritableTensor[],
  metadata: Readonly<Record<string, string>> = {},
): AsyncGenerator<Uint8Array> {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let end = 0;
  for (const { name, shape } of tensors) {
    const begin = end;
    end += 4 * elements(shape);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(json, 8);
  yield head;
  for (const { name, shape, read } of tensors) {
    const values = await read();
    if (values.length !== elements(shape)) {
      throw new Error(`${name}: ${values.length} values for shape [${shape}]`);
    }
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}

function elements(shape: readonly number[]): number {
  return sizeOf(shape);
}
