import { extname } from 'node:path';
import type { Sharp } from 'sharp';
import { UserError } from '../errors.js';
import type { RgbImage } from '../image/types.js';
import { writeFileAtomically } from './atomicFile.js';
import { loadSharp } from './sharp.js';

/** What a file's ending says of its format. */
const FORMATS: Readonly<Record<string, (image: Sharp) => Sharp>> = {
  '.png': (image) => image.png(),
  '.jpg': (image) => image.jpeg({ quality: 92 }),
  '.jpeg': (image) => image.jpeg({ quality: 92 }),
  '.webp': (image) => image.webp({ quality: 92 }),
};

/** Throws a UserError for a file whose ending names no format that is written. */
export function checkImagePath(path: string): string {
  const ending = extname(path).toLowerCase();
  if (FORMATS[ending]) return ending;
  const found = ending === '' ? 'has no ending' : `ends in ${ending}`;
  throw new UserError(`${path}: ${found}; images are written as ${Object.keys(FORMATS).join(', ')}`);
}

/**
 * Writes an image in the format that the file's ending names, whole or not at all.
 *
 * @throws UserError for another ending, or if the file cannot be written
 */
export async function writeImage(path: string, { data, width, height }: RgbImage): Promise<void> {
  const encode = FORMATS[checkImagePath(path)]!;
  const sharp = await loadSharp();
  const bytes = await encode(sharp(data, { raw: { width, height, channels: 3 } })).toBuffer();
  await writeFileAtomically(path, [bytes]);
}
