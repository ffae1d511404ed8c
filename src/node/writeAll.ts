import type { FileHandle } from 'node:fs/promises';

/** Node writes fewer than 2 GiB at once. */
const MAX_WRITE = 2 ** 30;

/**
 * Writes all of `bytes`: the system may take fewer at a time.
 *
 * @param position where in the file; behind what was written last if absent
 * @param onWritten called with the number of bytes of each write
 */
export async function writeAll(
  file: FileHandle,
  bytes: Uint8Array,
  { position, onWritten }: { position?: number; onWritten?: (count: number) => void } = {},
): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const place = position === undefined ? null : position + done;
    const { bytesWritten } = await file.write(bytes, done, Math.min(bytes.length - done, MAX_WRITE), place);
    done += bytesWritten;
    onWritten?.(bytesWritten);
  }
}
