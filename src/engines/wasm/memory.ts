/** The engine's own memory. */
import { UserError } from '../../errors.js';

const PAGE = 65536;
const MOST_PAGES = 65536;
/** As much as 32-bit addresses reach. */
export const MOST_BYTES = MOST_PAGES * PAGE;

export interface EngineMemory {
  readonly memory: WebAssembly.Memory;
  /** Makes sure that there are `bytes` bytes. Throws a UserError if there cannot be. */
  reserve(bytes: number): void;
  floats(address: number, count: number): Float32Array<ArrayBufferLike>;
}

export function createMemory(): EngineMemory {
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: 2, maximum: MOST_PAGES, shared: true });
  } catch (error) {
    throw new UserError(`the WASM engine found no room for its shared memory: ${(error as Error).message}`);
  }
  return {
    memory,
    reserve(bytes) {
      const wanted = Math.ceil(bytes / PAGE);
      if (wanted > MOST_PAGES) throw new UserError(tooLarge(bytes));
      const missing = wanted - memory.buffer.byteLength / PAGE;
      if (missing <= 0) return;
      try {
        memory.grow(missing);
      } catch {
        throw new UserError(
          `the WASM engine could not grow its memory to ${gigabytes(bytes)}: free some, or use a smaller model`,
        );
      }
    },
    floats: (address, count) => new Float32Array(memory.buffer, address, count),
  };
}

function tooLarge(bytes: number): string {
  return `the model and its activations need ${gigabytes(bytes)}, and WebAssembly's memory ends at 4.3 GB: use another backend, or int8`;
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
