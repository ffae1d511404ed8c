/** The engine's own memory. */
import { UserError } from '../../errors.js';

const PAGE = 65536;
/**
 * How far a memory may grow, in pages, tried in this order: to the end of 32-bit addresses first. Some browsers set the
 * whole of a shared memory aside when it is made, and have less.
 */
const MOST_PAGES = [65536, 32768, 16384, 8192];

export interface EngineMemory {
  readonly memory: WebAssembly.Memory;
  /** Whether several threads may use it. */
  readonly shared: boolean;
  /** How many bytes there can be. */
  readonly mostBytes: number;
  /** Makes sure that there are `bytes` bytes. Throws a UserError if there cannot be. */
  reserve(bytes: number): void;
  /** A view of it, until more is reserved. */
  floats(address: number, count: number): Float32Array<ArrayBufferLike>;
}

export function createMemory(shared: boolean): EngineMemory {
  const { memory, mostPages } = allocate(shared);
  return {
    memory,
    shared,
    mostBytes: mostPages * PAGE,
    reserve(bytes) {
      const wanted = Math.ceil(bytes / PAGE);
      if (wanted > mostPages) throw new UserError(tooLarge(bytes, mostPages * PAGE));
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

function allocate(shared: boolean): { memory: WebAssembly.Memory; mostPages: number } {
  let failure: unknown;
  for (const mostPages of MOST_PAGES) {
    try {
      return { memory: new WebAssembly.Memory({ initial: 2, maximum: mostPages, shared }), mostPages };
    } catch (error) {
      failure = error;
    }
  }
  const kind = shared ? 'shared memory' : 'memory';
  throw new UserError(`the WASM engine found no room for its ${kind}: ${(failure as Error).message}`);
}

function tooLarge(bytes: number, most: number): string {
  return `the model and its activations need ${gigabytes(bytes)}, and WebAssembly's memory ends at ${gigabytes(most, 1)} here: use another backend, or int8`;
}

function gigabytes(bytes: number, digits = 2): string {
  return `${(bytes / 1e9).toFixed(digits)} GB`;
}
