/** Writes features to a file: NumPy's .npy with the list of images beside it, or .safetensors with the list in it. */
import { join, parse } from 'node:path';
import { safetensorsChunks } from '../../converters/write/safetensors.js';
import { UserError } from '../errors.js';
import { writeFileAtomically } from './atomicFile.js';

/** Features of images. */
export interface Features {
  /** float32 [files.length, width]. */
  readonly values: Float32Array;
  readonly width: number;
  /** Of each row the image. */
  readonly files: readonly string[];
  /** What the features are, e.g. the model and its pooling; kept in a .safetensors file alone. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** How features are written by a file's ending. Throws a UserError for another ending. */
export function featuresFormat(out: string): 'npy' | 'safetensors' {
  const ending = parse(out).ext.toLowerCase();
  if (ending === '.npy') return 'npy';
  if (ending === '.safetensors') return 'safetensors';
  throw new UserError(`${out}: features are written as .npy or .safetensors; give a name that ends so`);
}

/** Where the list of images lies beside a .npy file. */
export function listOf(out: string): string {
  const { dir, name } = parse(out);
  return join(dir, `${name}.txt`);
}

/**
 * Writes `features` [images, width], float32. A .npy file's list of images is a text file of the same name, a line a row;
 * a .safetensors file's is JSON in its metadata, under `files`.
 *
 * @returns what was written
 */
export async function writeFeatures(out: string, features: Features): Promise<string[]> {
  const { values, width, files, metadata } = features;
  const shape = [files.length, width];
  if (featuresFormat(out) === 'safetensors') {
    const tensor = { name: 'features', shape, read: () => values };
    const chunks = safetensorsChunks([tensor], { ...metadata, files: JSON.stringify(files) });
    await writeFileAtomically(out, chunks);
    return [out];
  }
  const list = listOf(out);
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  // The larger one first: where there is no room for it, both files stay what they were.
  await writeFileAtomically(out, [npyHeader(shape), bytes]);
  await writeFileAtomically(list, [new TextEncoder().encode(files.map((file) => `${file}\n`).join(''))]);
  return [out, list];
}

/** Header of a little-endian float32 array (numpy.lib.format, version 1.0): a multiple of 64 bytes. */
function npyHeader(shape: readonly number[]): Uint8Array {
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')}), }`;
  const length = Math.ceil((10 + text.length + 1) / 64) * 64;
  const header = new Uint8Array(length).fill(0x20);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]);
  new DataView(header.buffer).setUint16(8, length - 10, true);
  header.set(new TextEncoder().encode(text), 10);
  header[length - 1] = 0x0a;
  return header;
}
