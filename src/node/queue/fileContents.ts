import { createHash } from 'node:crypto';
import { open, stat } from 'node:fs/promises';
import { withDeadline } from '../deadline.js';

/** Files up to this size are hashed whole: nearly all of ImageNet's validation images are. */
const WHOLE_BYTES = 192 * 1024;
/** Of larger files, bytes at the start, in the middle and at the end that are hashed: reading all twice costs too much. */
const SAMPLE_BYTES = 64 * 1024;

/** How long reading a file may take, in milliseconds: a file system that does not answer must not hold a run. */
const READ_MS = 60_000;

/**
 * What a file's contents are told by: its size and a SHA-256, `SIZE-HEX`. The hash is of the whole file up to 192 KiB, of
 * a larger one of its first, middle and last 64 KiB. Null for a file that cannot be read.
 */
export async function fileContents(path: string): Promise<string | null> {
  const late = () => new Error(`${path}: not read in time`);
  return withDeadline(read(path), READ_MS, late).catch(() => null);
}

async function read(path: string): Promise<string | null> {
  const { size } = await regularFile(path);
  const file = await open(path);
  try {
    const hash = createHash('sha256');
    for (const [start, length] of parts(size)) {
      const bytes = new Uint8Array(length);
      const { bytesRead } = await file.read(bytes, 0, length, start);
      hash.update(bytes.subarray(0, bytesRead));
    }
    return `${size}-${hash.digest('hex')}`;
  } finally {
    await file.close();
  }
}

/** Opening a pipe would wait for a writer. */
async function regularFile(path: string): Promise<{ size: number }> {
  const found = await stat(path);
  if (!found.isFile()) throw new Error(`${path}: is not a regular file`);
  return found;
}

function parts(size: number): [start: number, length: number][] {
  if (size <= WHOLE_BYTES) return [[0, size]];
  const middle = Math.floor((size - SAMPLE_BYTES) / 2);
  return [0, middle, size - SAMPLE_BYTES].map((start) => [start, SAMPLE_BYTES]);
}
