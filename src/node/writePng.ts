import { rename, rm, writeFile } from 'node:fs/promises';
import sharp from 'sharp';
import { UserError } from '../errors.js';
import type { RgbImage } from '../image/types.js';

/** Writes a picture as a PNG file, whole or not at all. */
export async function writePng(path: string, { data, width, height }: RgbImage): Promise<void> {
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  const beside = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(beside, png);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw new UserError(`${path}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}
