import { checkArguments } from '../../src/checkArguments.js';
import { UserError } from '../../src/errors.js';
import type { ByteSource } from './types.js';

/** A source over bytes in memory. `read` gives views, so nothing is copied. */
export function bytesSource(bytes: Uint8Array | ArrayBuffer, name = '<bytes>'): ByteSource {
  checkArguments('bytesSource', { bytes: ['bytes', bytes] });
  // A plain Uint8Array even of Node's Buffer, whose slice() is a view into a pool and not a copy.
  const view =
    bytes instanceof Uint8Array
      ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      : new Uint8Array(bytes);
  return {
    name,
    size: view.byteLength,
    async read(offset, length) {
      checkRange(name, view.byteLength, offset, length);
      return view.subarray(offset, offset + length);
    },
  };
}

/** A source over a Blob or a File dropped on a page: only what is asked for is read. */
export function blobSource(blob: Blob, named?: string): ByteSource {
  checkArguments('blobSource', { blob: ['blob', blob] });
  const name = named ?? blobName(blob);
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      checkRange(name, blob.size, offset, length);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
  };
}

/** Throws a UserError unless [offset, offset + length) lies inside a source of `size` bytes. */
export function checkRange(name: string, size: number, offset: number, length: number): void {
  const sound = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!sound || offset + length > size) {
    throw new UserError(
      `${name}: expected ${length} bytes at byte ${offset}, but the file ends at byte ${size}; it is cut short or damaged.`,
    );
  }
}

function blobName(blob: Blob): string {
  return 'name' in blob && typeof blob.name === 'string' ? blob.name : '<blob>';
}
