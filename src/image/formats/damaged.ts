/** Why bytes are no image that can be read, in a few words; decodeImage puts the file's name before them. */
export class DamagedImage extends Error {
  override readonly name = 'DamagedImage';
}

/** What a reader calls with the size that a header gives, before it takes memory; throws if that is too much. */
export type CheckSize = (width: number, height: number) => void;

/** Throws what Pillow calls a truncated file if fewer than `count` bytes are left from `at` on. */
export function requireBytes(bytes: Uint8Array, at: number, count: number, what: string): void {
  if (at + count > bytes.length) throw new DamagedImage(`the file ends within ${what}`);
}
