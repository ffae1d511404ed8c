import { resize } from '../image/resize.js';
import type { RgbImage } from '../image/types.js';
import { attentionMap } from './attentionMap.js';
import { type OverlayOptions, overlay } from './overlay.js';
import type { AttentionStack, PrefixToken } from './types.js';

export interface SheetOptions extends OverlayOptions {
  token?: PrefixToken;
  /** Longer side of one picture of the sheet, in pixels; 128 by default. */
  tile?: number;
}

/** Pixels between the pictures of a sheet. */
const GAP = 4;
/** Grey behind them: neither of the colour map's ends. */
const BACKGROUND = 40;

/** The attention of every head as one picture: a row a layer, the first on top, and a column a head. */
export function attentionSheet(
  image: RgbImage,
  stack: AttentionStack,
  { token, tile = 128, opacity }: SheetOptions = {},
): RgbImage {
  const scale = tile / Math.max(image.width, image.height);
  const side = (length: number) => Math.max(1, Math.round(length * scale));
  const small = resize(image, side(image.width), side(image.height));
  const [rows, columns] = [stack.layers.length, stack.heads];
  const width = columns * (small.width + GAP) + GAP;
  const height = rows * (small.height + GAP) + GAP;
  const sheet = { data: new Uint8Array(3 * width * height).fill(BACKGROUND), width, height };
  for (let layer = 0; layer < rows; layer++) {
    for (let head = 0; head < columns; head++) {
      const picture = overlay(small, attentionMap(stack, { layer, head, token }), { opacity });
      put(sheet, picture, GAP + head * (small.width + GAP), GAP + layer * (small.height + GAP));
    }
  }
  return sheet;
}

function put(sheet: RgbImage, picture: RgbImage, left: number, top: number): void {
  const line = 3 * picture.width;
  for (let y = 0; y < picture.height; y++) {
    const from = picture.data.subarray(y * line, (y + 1) * line);
    sheet.data.set(from, 3 * ((top + y) * sheet.width + left));
  }
}
