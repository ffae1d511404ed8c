import { UserError } from '../errors.js';
import { preprocess } from '../image/preprocess.js';
import type { Preprocessing } from '../image/types.js';
import { decodeImage } from './decode.js';

/** A picture as a model's input, float32 [H, W, 3], or one line that says why it is none. */
export type Prepared = { readonly data: Float32Array<ArrayBuffer> } | { readonly message: string };

/** Decodes, resizes, crops and normalises a file, into `out` if given. Never throws: every failure is told. */
export async function preparePicture(
  file: string,
  preprocessing: Preprocessing,
  out?: Float32Array<ArrayBuffer>,
): Promise<Prepared> {
  try {
    return { data: preprocess(await decodeImage(file), preprocessing, out) };
  } catch (error) {
    const { message } = error as Error;
    return { message: error instanceof UserError ? message : `${file}: ${message.replaceAll('\n', ' ')}` };
  }
}
