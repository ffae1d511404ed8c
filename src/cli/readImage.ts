import { UserError } from '../errors.js';
import type { RgbImage } from '../image/types.js';
import { decodeImage, MAX_FILE_BYTES } from '../node/decode.js';

/** What stands for the image on stdin, as with Unix tools. */
export const STDIN = '-';

/**
 * The image that an argument names: a file, or stdin where it is `-`.
 *
 * @throws UserError that names the file, or `-`
 */
export async function readImage(file: string): Promise<RgbImage> {
  return file === STDIN ? decodeImage(await readStdin(), STDIN) : decodeImage(file);
}

async function readStdin(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk as Buffer);
    length += (chunk as Buffer).length;
    if (length > MAX_FILE_BYTES) {
      throw new UserError(
        `${STDIN}: more than ${MAX_FILE_BYTES} bytes; images of at most that size are read`,
      );
    }
  }
  return Buffer.concat(chunks);
}
