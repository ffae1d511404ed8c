import { imageFormat } from '../imageFormat.js';
import type { RgbImage } from '../types.js';
import { decodeBmp } from './bmp.js';
import type { CheckSize } from './damaged.js';
import { decodeGif } from './gif.js';
import type { Inflate } from './inflate.js';
import { checkScanMarkers } from './jpegMarkers.js';
import { decodeNetpbm } from './netpbm.js';
import { decodePng } from './png.js';
import { decodeTiff } from './tiff.js';

/**
 * The image in a file's bytes, by the readers here: PNG, GIF, BMP, PBM, PGM, PPM, PFM, and TIFF but for JPEG and fax
 * compression. Undefined for what is left to the platform's decoder, JPEG and WebP among them; of a JPEG the markers are
 * looked at.
 *
 * @param inflate the platform's own decompressor
 * @throws DamagedImage, or what checkSize throws
 */
export async function decodeHere(
  bytes: Uint8Array<ArrayBuffer>,
  checkSize: CheckSize,
  inflate: Inflate,
): Promise<RgbImage | undefined> {
  switch (imageFormat(bytes)) {
    case 'PNG':
      return decodePng(bytes, checkSize, inflate);
    case 'GIF':
      return decodeGif(bytes, checkSize);
    case 'BMP':
      return decodeBmp(bytes, checkSize);
    case 'PNM':
      return decodeNetpbm(bytes, checkSize);
    case 'TIFF':
      return decodeTiff(bytes, checkSize, inflate);
    case 'JPEG':
      checkScanMarkers(bytes);
      return undefined;
    default:
      return undefined;
  }
}
