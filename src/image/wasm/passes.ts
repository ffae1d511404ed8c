/** The passes of a resize with SIMD (assembly/index.ts), on a memory of their own; the same bytes as passes.ts. */
import { decodeBase64 } from '../../base64.js';
import type { Passes, Rows, Taps } from '../passes.js';
import type { Exports as Resampler } from './generated/exports.js';
import binary from './generated/resample.js';

/** Input and output that are in the memory at a time, in bytes, unless a single row or column of 16 takes more. */
const BLOCK_BYTES = 4 * 2 ** 20;

/** Bytes of a vector, and what may be read past the end of the input. */
const VECTOR = 16;

const roundUp = (bytes: number) => Math.ceil(bytes / VECTOR) * VECTOR;

/** The passes, or undefined where the engine has no WebAssembly SIMD, or allows none. */
export function wasmPasses(): Passes | undefined {
  try {
    const memory = new WebAssembly.Memory({ initial: 1 });
    const module = new WebAssembly.Module(decodeBase64(binary));
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return passesOn(memory, exports as unknown as Resampler);
  } catch {
    return undefined;
  }
}

function passesOn(memory: WebAssembly.Memory, resampler: Resampler): Passes {
  /** The memory's bytes, at least as many as asked for. */
  const view = (bytes: number) => {
    const missing = bytes - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 2 ** 16));
    return new Uint8Array(memory.buffer);
  };

  /** Whole rows, as many at a time as fit. */
  function horizontal(source: Rows, firstColumn: number, height: number, taps: Taps): Rows {
    const { first, count, weights, stride } = taps;
    const width = first.length;
    const offsets = first.map((column) => (column - firstColumn) * 3);
    const groups = count.map((used) => Math.ceil(used / 4));
    const pitch = Math.max(...edges(first, count)) * 3 - firstColumn * 3;
    const rowBytes = width * 3;
    const rows = Math.max(1, Math.min(height, Math.floor(BLOCK_BYTES / (pitch + rowBytes))));
    const tables = place(0, [offsets, groups, weights]);
    const input = tables.end;
    const output = roundUp(input + rows * pitch + VECTOR);
    const memoryBytes = view(output + rows * rowBytes + VECTOR);
    tables.write(memoryBytes);
    const out = new Uint8Array(height * rowBytes);
    for (let y = 0; y < height; y += rows) {
      const here = Math.min(rows, height - y);
      copyRows(source, source.offset + y * source.rowBytes, here, pitch, memoryBytes, input, pitch);
      const [at, groupsAt, weightsAt] = tables.addresses as [number, number, number];
      resampler.horizontal(input, pitch, here, width, at, groupsAt, weightsAt, stride * 4, output);
      out.set(memoryBytes.subarray(output, output + here * rowBytes), y * rowBytes);
    }
    return { data: out, offset: 0, rowBytes };
  }

  /** Strips of columns, as wide as fit. */
  function vertical(source: Rows, firstRow: number, width: number, taps: Taps): Rows {
    const { first, count, weights, stride } = taps;
    const height = first.length;
    const tops = first.map((row) => row - firstRow);
    const rows = Math.max(...edges(first, count)) - firstRow;
    const rowBytes = width * 3;
    const strip = Math.max(VECTOR, Math.min(roundUp(rowBytes), roundUp(BLOCK_BYTES / (rows + height))));
    const tables = place(0, [tops, count, weights]);
    const input = tables.end;
    const output = roundUp(input + rows * strip);
    const memoryBytes = view(output + height * strip);
    tables.write(memoryBytes);
    const out = new Uint8Array(height * rowBytes);
    const target = { data: memoryBytes, offset: output, rowBytes: strip };
    for (let x = 0; x < rowBytes; x += strip) {
      const here = Math.min(strip, rowBytes - x);
      const columns = roundUp(here);
      copyRows(source, source.offset + x, rows, here, memoryBytes, input, columns);
      const [at, countAt, weightsAt] = tables.addresses as [number, number, number];
      resampler.vertical(input, columns, height, at, countAt, weightsAt, stride * 4, output);
      copyRows({ ...target, rowBytes: columns }, output, height, here, out, x, rowBytes);
    }
    return { data: out, offset: 0, rowBytes };
  }

  return { horizontal, vertical };
}

/** One past the last input position of the first and of the last output position, which read the farthest. */
function edges(first: Int32Array, count: Int32Array): [number, number] {
  const last = first.length - 1;
  return [first[0]! + count[0]!, first[last]! + count[last]!];
}

/** Lays tables of whole numbers one behind the other, each at the beginning of a vector. */
function place(start: number, tables: readonly Int32Array[]) {
  const addresses: number[] = [];
  let end = start;
  for (const table of tables) {
    addresses.push(end);
    end = roundUp(end + table.byteLength);
  }
  const write = (bytes: Uint8Array) => {
    for (const [i, table] of tables.entries()) {
      bytes.set(new Uint8Array(table.buffer, table.byteOffset, table.byteLength), addresses[i]);
    }
  };
  return { addresses, end, write };
}

/** Copies the first `length` bytes of `count` rows to places `pitch` bytes apart. */
function copyRows(
  source: Rows,
  from: number,
  count: number,
  length: number,
  to: Uint8Array,
  at: number,
  pitch: number,
): void {
  const { data, rowBytes } = source;
  if (rowBytes === length && pitch === length) {
    to.set(data.subarray(from, from + count * length), at);
    return;
  }
  for (let row = 0; row < count; row++) {
    const start = from + row * rowBytes;
    to.set(data.subarray(start, start + length), at + row * pitch);
  }
}
