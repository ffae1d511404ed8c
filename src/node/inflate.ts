import { createInflate } from 'node:zlib';
import type { Sink } from '../image/formats/index.js';

/** Bytes that come out at a time. */
const CHUNK_BYTES = 65_536;

/**
 * Inflates a zlib stream into `sink`, off this thread but for the sink. Gives false if something was wrong, after any
 * number of bytes.
 */
export function inflate(stream: Uint8Array, sink: Sink): Promise<boolean> {
  return new Promise((resolve) => {
    const inflater = createInflate({ chunkSize: CHUNK_BYTES });
    inflater.on('data', (bytes: Uint8Array) => {
      try {
        if (sink(bytes)) return;
      } catch {
        resolve(false);
        inflater.destroy();
        return;
      }
      resolve(true);
      inflater.destroy();
    });
    inflater.on('end', () => resolve(true));
    inflater.on('error', () => resolve(false));
    inflater.end(stream);
  });
}
