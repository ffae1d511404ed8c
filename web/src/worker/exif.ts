/** How a photograph was held, by its EXIF (CIPA DC-008, tag 0x0112), and the turn that sets it upright. */

/** The EXIF segment stands at the front of a file. */
const HEADER_BYTES = 2 ** 18;
const ORIENTATION = 0x0112;

/** 1…8, where 1 is as it should be; 1 for files that say nothing, and for others than JPEG. */
export async function exifOrientation(file: Blob): Promise<number> {
  const view = new DataView(await file.slice(0, HEADER_BYTES).arrayBuffer());
  try {
    return view.getUint16(0) === 0xffd8 ? orientationOf(view) : 1;
  } catch (error) {
    if (error instanceof RangeError) return 1; // the file ends before its segments do
    throw error;
  }
}

function orientationOf(view: DataView): number {
  let at = 2;
  while (view.getUint8(at) === 0xff && view.getUint8(at + 1) !== 0xda) {
    const isExif = view.getUint8(at + 1) === 0xe1 && view.getUint32(at + 4) === 0x45786966;
    if (isExif) return tagOf(view, at + 10);
    at += 2 + view.getUint16(at + 2);
  }
  return 1;
}

/** Looks the tag up in the first directory of the TIFF structure at `start`. */
function tagOf(view: DataView, start: number): number {
  const little = view.getUint16(start) === 0x4949;
  const directory = start + view.getUint32(start + 4, little);
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + 12 * i;
    if (view.getUint16(entry, little) !== ORIENTATION) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** For each orientation the turn as a matrix (a, b, c, d) of whole numbers: x' = a x + c y, y' = b x + d y, and back into view. */
const TURNS: Record<number, readonly [number, number, number, number]> = {
  2: [-1, 0, 0, 1],
  3: [-1, 0, 0, -1],
  4: [1, 0, 0, -1],
  5: [0, 1, 1, 0],
  6: [0, 1, -1, 0],
  7: [0, -1, -1, 0],
  8: [0, -1, 1, 0],
};

/** The bitmap as the photographer saw it; the given one is closed if it is another. */
export function turnUpright(bitmap: ImageBitmap, orientation: number): ImageBitmap {
  const turn = TURNS[orientation];
  if (!turn) return bitmap;
  const [a, b, c, d] = turn;
  const { width, height } = bitmap;
  const canvas = a === 0 ? new OffscreenCanvas(height, width) : new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d')!;
  const left = Math.min(0, a * width) + Math.min(0, c * height);
  const top = Math.min(0, b * width) + Math.min(0, d * height);
  context.setTransform(a, b, c, d, -left, -top);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas.transferToImageBitmap();
}
