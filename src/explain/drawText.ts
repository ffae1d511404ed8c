import type { RgbImage } from '../image/types.js';

/** Digits of 5 × 7 pixels, a row a number whose highest of five bits is on the left. */
const GLYPHS: Readonly<Record<string, readonly number[]>> = {
  '0': [14, 17, 19, 21, 25, 17, 14],
  '1': [4, 12, 4, 4, 4, 4, 14],
  '2': [14, 17, 1, 2, 4, 8, 31],
  '3': [31, 2, 4, 2, 1, 17, 14],
  '4': [2, 6, 10, 18, 31, 2, 2],
  '5': [31, 16, 30, 1, 1, 17, 14],
  '6': [6, 8, 16, 30, 17, 17, 14],
  '7': [31, 1, 2, 4, 8, 8, 8],
  '8': [14, 17, 17, 14, 17, 17, 14],
  '9': [14, 17, 17, 15, 1, 2, 12],
};
const WIDTH = 5;
const HEIGHT = 7;
const INK = 235;

/** Width and height of a text in pixels. */
export function textSize(text: string, scale: number): [width: number, height: number] {
  return [((WIDTH + 1) * text.length - 1) * scale, HEIGHT * scale];
}

/** Writes a number in light digits into an image with its upper left corner at a place; it must fit. */
export function drawText(image: RgbImage, text: string, left: number, top: number, scale: number): void {
  for (const [place, letter] of [...text].entries()) {
    const rows = GLYPHS[letter];
    if (!rows) throw new Error(`no glyph for "${letter}"`);
    for (let y = 0; y < HEIGHT * scale; y++) {
      for (let x = 0; x < WIDTH * scale; x++) {
        if (!((rows[Math.floor(y / scale)]! >> (WIDTH - 1 - Math.floor(x / scale))) & 1)) continue;
        const at = 3 * ((top + y) * image.width + left + place * (WIDTH + 1) * scale + x);
        image.data.fill(INK, at, at + 3);
      }
    }
  }
}
