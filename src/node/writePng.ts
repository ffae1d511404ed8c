import type { RgbImage } from '../image/types.js';
import { writeFileAtomically } from './atomicFile.js';
import { loadSharp } from './sharp.js';

/** Writes a picture as a PNG file, whole or not at all. */
export async function writePng(path: string, { data, width, height }: RgbImage): Promise<void> {
  const sharp = await loadSharp();
  const png = await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
  await writeFileAtomically(path, [png]);
}
