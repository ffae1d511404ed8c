import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

/** Files up to this size are hashed whole: nearly all of ImageNet's validation images are. */
const WHOLE_BYTES = 192 * 1024;
/** Of larger files, bytes at the start, in the middle and at the end that are hashed: reading all twice costs too much. */
const SAMPLE_BYTES = 64 * 1024;

/**
 * What a file's contents are told by: its size and a SHA-256, `SIZE-HEX`. The hash is of the whole file up to 192 KiB, of
 * a larger one of its first, middle and last 64 KiB. Null for a file that cannot be read.
 */
export async function fileContents(path: string): Promise<string | null> {
  const file = await open(path).catch(() => undefined);
  if (!file) return null;
  try {
    const stats = await file.stat();
    if (!stats.isFile()) return null;
    const hash = createHash('sha256');
    for (const [start, length] of parts(stats.size)) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, start);
      hash.update(bytes.subarray(0, bytesRead));
    }
    return `${stats.size}-${hash.digest('hex')}`;
  } catch {
    return null;
  } finally {
    await file.close();
  }
}

function parts(size: number): [start: number, length: number][] {
  if (size <= WHOLE_BYTES) return [[0, size]];
  const middle = Math.floor((size - SAMPLE_BYTES) / 2);
  return [0, middle, size - SAMPLE_BYTES].map((start) => [start, SAMPLE_BYTES]);
}
