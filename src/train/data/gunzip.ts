import { UserError } from '../../errors.js';

/** Most bytes that a data file is unpacked to: EMNIST's largest has 547 MB, and a bomb must end somewhere. */
const MAX_UNPACKED_BYTES = 2 ** 30;

/** Whether bytes are gzip's. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The content of gzip bytes.
 *
 * @param name the file's, for errors
 * @throws UserError if they are damaged, cut short, or hold more than 1 GiB
 */
export async function gunzip(bytes: Uint8Array<ArrayBuffer>, name: string): Promise<Uint8Array> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((error: Error) => {
      throw new UserError(`${name}: cannot be unpacked (${error.message}); fetch the file again`);
    });
    if (done) return joined(chunks, length);
    length += value.length;
    if (length > MAX_UNPACKED_BYTES) {
      await reader.cancel();
      throw new UserError(`${name}: unpacks to more than ${MAX_UNPACKED_BYTES} bytes`);
    }
    chunks.push(value);
  }
}

function joined(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}
