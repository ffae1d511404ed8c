import { concatBytes } from '../concat.js';
import { UserError } from '../errors.js';

/** A file's name, for errors, and its bytes. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Most bytes that a data file is unpacked to: EMNIST's largest has 547 MB, and a bomb must end somewhere. */
const MAX_UNPACKED_BYTES = 2 ** 30;

/** A file's content: what it unpacks to if it is gzip's. Throws as gunzip. */
export async function unpacked({ name, bytes }: NamedBytes): Promise<Uint8Array> {
  return isGzip(bytes) ? gunzip(bytes, name) : bytes;
}

function isGzip(bytes: Uint8Array): boolean {
  return bytes.length > 2 && bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * The content of gzip bytes.
 *
 * @param name the file's, for errors
 * @throws UserError if they are damaged, cut short, or hold more than 1 GiB
 */
async function gunzip(bytes: Uint8Array<ArrayBuffer>, name: string): Promise<Uint8Array> {
  const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip')).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read().catch((error: Error) => {
      throw new UserError(`${name}: cannot be unpacked (${error.message}); fetch the file again`);
    });
    if (done) return concatBytes(chunks);
    length += value.length;
    if (length > MAX_UNPACKED_BYTES) {
      await reader.cancel();
      throw new UserError(`${name}: unpacks to more than ${MAX_UNPACKED_BYTES} bytes`);
    }
    chunks.push(value);
  }
}
