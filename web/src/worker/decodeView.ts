/** An image file → its pixels for the model, and what of it is shown: one decoding for both. */
import type { Preprocessing } from '../../../src/image/types.js';
import { exifOrientation, turnUpright } from './exif.js';
import type { Deit } from './modelHost.js';
import type { View } from './protocol.js';

/** Longest side of what is shown. */
const SIDE = 896;
/** Images smaller than this are shown pixel by pixel. */
const SMALL = 64;

export interface Decoded {
  readonly bitmap: ImageBitmap;
  readonly orientation: number;
}

/** Decodes a file as PIL has it, or as its EXIF turns it. A bitmap is given back as it is. */
export async function decode(
  { imageBitmap }: Pick<Deit, 'imageBitmap'>,
  image: Blob | ImageBitmap,
  upright: boolean,
): Promise<Decoded> {
  if (image instanceof ImageBitmap) return { bitmap: image, orientation: 1 };
  const orientation = await exifOrientation(image);
  const bitmap = await imageBitmap(image);
  return { bitmap: upright ? turnUpright(bitmap, orientation) : bitmap, orientation };
}

/** The part that the model sees, or without a model the whole. */
export async function viewOf(
  deit: Pick<Deit, 'modelCropWindow'> | undefined,
  { bitmap, orientation }: Decoded,
  preprocessing: Preprocessing | undefined,
): Promise<View> {
  const { width, height } = bitmap;
  const part =
    deit && preprocessing
      ? deit.modelCropWindow(width, height, preprocessing)
      : { left: 0, top: 0, width, height };
  // A model that squashes images sees them in its own proportions.
  const [rows, columns] = preprocessing?.crop ?? [part.height, part.width];
  const small = Math.max(part.width, part.height) < SMALL;
  const scale = Math.min(1, SIDE / Math.max(part.width, part.height));
  const shown = await createImageBitmap(bitmap, part.left, part.top, part.width, part.height, {
    resizeWidth: Math.max(1, Math.round(part.width * scale)),
    resizeHeight: Math.max(1, Math.round(part.height * scale)),
    resizeQuality: 'high',
  });
  return { bitmap: shown, rows, columns, small, orientation, width, height };
}
