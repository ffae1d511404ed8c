import { checkArguments } from '../checkArguments.js';
import { resize } from '../image/resize.js';
import type { RgbImage } from '../image/types.js';
import { attentionMap } from './attentionMap.js';
import { drawText, textSize } from './drawText.js';
import { type OverlayOptions, overlay } from './overlay.js';
import type { AttentionStack, QueryToken } from './types.js';

export interface AttentionGridOptions extends OverlayOptions {
  token?: QueryToken;
  /** Longer side of one cell, in pixels; 128 by default. */
  tile?: number;
}

/** Pixels between the cells. */
const GAP = 4;
/** Grey behind them: neither of the colour map's ends. */
const BACKGROUND = 40;

/**
 * The attention of every head as one image: a row a layer, the first on top, and a column a head, both numbered from 1
 * at their beginning.
 */
export function attentionGrid(
  image: RgbImage,
  stack: AttentionStack,
  { token, tile = 128, opacity }: AttentionGridOptions = {},
): RgbImage {
  checkArguments('attentionGrid', { image: ['rgb', image], stack: ['stack', stack], tile: ['size', tile] });
  const side = Math.max(image.width, image.height);
  const scaled = (length: number) => Math.max(1, Math.round((length * tile) / side));
  const cell = resize(image, scaled(image.width), scaled(image.height));
  const [rows, columns] = [stack.layers.length, stack.heads];
  const { left, top, scale } = gridMargins(stack, tile);
  const width = left + columns * (cell.width + GAP) + GAP;
  const height = top + rows * (cell.height + GAP) + GAP;
  const grid = { data: new Uint8Array(3 * width * height).fill(BACKGROUND), width, height };
  const place = (layer: number, head: number) =>
    [left + GAP + head * (cell.width + GAP), top + GAP + layer * (cell.height + GAP)] as const;
  for (let layer = 0; layer < rows; layer++) {
    for (let head = 0; head < columns; head++) {
      put(
        grid,
        overlay(cell, attentionMap(stack, { layer, head, token }), { opacity }),
        ...place(layer, head),
      );
    }
  }
  for (let layer = 0; layer < rows; layer++) {
    const [, high] = textSize('', scale);
    const [wide] = textSize(String(layer + 1), scale);
    drawText(
      grid,
      String(layer + 1),
      left - wide - scale,
      place(layer, 0)[1] + Math.floor((cell.height - high) / 2),
      scale,
    );
  }
  for (let head = 0; head < columns; head++) {
    const [wide] = textSize(String(head + 1), scale);
    const middle = place(0, head)[0] + Math.floor((cell.width - wide) / 2);
    drawText(grid, String(head + 1), Math.max(left, middle), 2 * scale, scale);
  }
  return grid;
}

/** Room for the numbers before the cells, and the size of a pixel of their letters. */
export function gridMargins(
  stack: AttentionStack,
  tile: number,
): { left: number; top: number; scale: number } {
  const scale = Math.max(1, Math.round(tile / 64));
  const [wide, high] = textSize(String(stack.layers.length), scale);
  return { left: wide + 3 * scale, top: high + 4 * scale - GAP, scale };
}

function put(grid: RgbImage, image: RgbImage, left: number, top: number): void {
  const line = 3 * image.width;
  for (let y = 0; y < image.height; y++) {
    const from = image.data.subarray(y * line, (y + 1) * line);
    grid.data.set(from, 3 * ((top + y) * grid.width + left));
  }
}
