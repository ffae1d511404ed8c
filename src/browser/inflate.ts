import type { Sink } from '../image/formats/index.js';

/**
 * Inflates a zlib stream into `sink` with the browser's decompressor. Gives false if something was wrong or there is
 * none, after any number of bytes.
 */
export async function inflate(stream: Uint8Array<ArrayBuffer>, sink: Sink): Promise<boolean> {
  if (typeof DecompressionStream === 'undefined') return false;
  const reader = new Blob([stream]).stream().pipeThrough(new DecompressionStream('deflate')).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return true;
      if (sink(value)) continue;
      await reader.cancel();
      return true;
    }
  } catch {
    return false;
  }
}
