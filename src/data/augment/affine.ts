import type { RgbImage } from '../../image/types.js';
import type { Random } from '../../random.js';
import type { AugmentConfig } from '../config.js';
import { uniformBetween } from './seeds.js';

/** Affine maps of images, equal to Pillow's Image.transform and Image.rotate byte for byte (its Geometry.c). */

/** Where in the input an output pixel comes from: x' = a x + b y + c, y' = d x + e y + f, at pixel centres. */
export type AffineMatrix = readonly [a: number, b: number, c: number, d: number, e: number, f: number];

export type Filter = 'bilinear' | 'bicubic';

/** The levels R, G, B of pixels that come from outside the image. */
export type Fill = readonly [number, number, number];

/** Image.transform(size, AFFINE, matrix, filter, fillcolor=fill), at the size that the image has. */
export function affine(image: RgbImage, matrix: AffineMatrix, filter: Filter, fill: Fill): RgbImage {
  const { width, height } = image;
  const [a, b, c, d, e, f] = matrix;
  const sample = filter === 'bicubic' ? sampleBicubic : sampleBilinear;
  const out = new Uint8Array(width * height * 3);
  for (let y = 0, o = 0; y < height; y++) {
    for (let x = 0; x < width; x++, o += 3) {
      const fromX = a * (x + 0.5) + b * (y + 0.5) + c;
      const fromY = d * (x + 0.5) + e * (y + 0.5) + f;
      const inside = fromX >= 0 && fromX < width && fromY >= 0 && fromY < height;
      if (inside) sample(image, fromX - 0.5, fromY - 0.5, out, o);
      else out.set(fill, o);
    }
  }
  return { data: out, width, height };
}

const clamp = (value: number, size: number) => (value < 0 ? 0 : value < size ? value : size - 1);

function sampleBilinear({ data, width, height }: RgbImage, x: number, y: number, out: Uint8Array, o: number) {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const dx = x - left;
  const dy = y - top;
  const x0 = 3 * clamp(left, width);
  const x1 = 3 * clamp(left + 1, width);
  const row0 = 3 * width * clamp(top, height);
  const row1 = top + 1 < height ? 3 * width * (top + 1) : row0;
  for (let k = 0; k < 3; k++) {
    const upperLeft = data[row0 + x0 + k]!;
    const lowerLeft = data[row1 + x0 + k]!;
    const upper = upperLeft + (data[row0 + x1 + k]! - upperLeft) * dx;
    const lower = lowerLeft + (data[row1 + x1 + k]! - lowerLeft) * dx;
    out[o + k] = upper + (lower - upper) * dy;
  }
}

/** The cubic through v2 and v3 with a = −1, in the order of Pillow's sums. */
function cubic(v1: number, v2: number, v3: number, v4: number, d: number): number {
  return v2 + d * (-v1 + v3 + d * (2 * (v1 - v2) + v3 - v4 + d * (-v1 + v2 - v3 + v4)));
}

function sampleBicubic({ data, width, height }: RgbImage, x: number, y: number, out: Uint8Array, o: number) {
  const left = Math.floor(x);
  const top = Math.floor(y);
  const dx = x - left;
  const dy = y - top;
  const x0 = 3 * clamp(left - 1, width);
  const x1 = 3 * clamp(left, width);
  const x2 = 3 * clamp(left + 1, width);
  const x3 = 3 * clamp(left + 2, width);
  // Above the image its first row stands in; below it the last row that there is.
  const row0 = 3 * width * clamp(top - 1, height);
  const row1 = 3 * width * clamp(top, height);
  const row2 = 3 * width * clamp(top + 1, height);
  const row3 = 3 * width * clamp(top + 2, height);
  for (let k = 0; k < 3; k++) {
    const value = cubic(
      cubic(data[row0 + x0 + k]!, data[row0 + x1 + k]!, data[row0 + x2 + k]!, data[row0 + x3 + k]!, dx),
      cubic(data[row1 + x0 + k]!, data[row1 + x1 + k]!, data[row1 + x2 + k]!, data[row1 + x3 + k]!, dx),
      cubic(data[row2 + x0 + k]!, data[row2 + x1 + k]!, data[row2 + x2 + k]!, data[row2 + x3 + k]!, dx),
      cubic(data[row3 + x0 + k]!, data[row3 + x1 + k]!, data[row3 + x2 + k]!, data[row3 + x3 + k]!, dx),
      dy,
    );
    out[o + k] = value <= 0 ? 0 : value >= 255 ? 255 : value;
  }
}

/** timm's shear_x: x' = x + factor · y. */
export function shearX(image: RgbImage, factor: number, fill: Fill): RgbImage {
  return affine(image, [1, factor, 0, 0, 1, 0], 'bicubic', fill);
}

/** timm's shear_y: y' = y + factor · x. */
export function shearY(image: RgbImage, factor: number, fill: Fill): RgbImage {
  return affine(image, [1, 0, 0, factor, 1, 0], 'bicubic', fill);
}

/** timm's translate_x_rel: to the left by `part` of the width. */
export function translateX(image: RgbImage, part: number, fill: Fill): RgbImage {
  return affine(image, [1, 0, part * image.width, 0, 1, 0], 'bicubic', fill);
}

/** timm's translate_y_rel: up by `part` of the height. */
export function translateY(image: RgbImage, part: number, fill: Fill): RgbImage {
  return affine(image, [1, 0, 0, 0, 1, part * image.height], 'bicubic', fill);
}

/** Image.rotate about the centre, counterclockwise. */
export function rotate(image: RgbImage, degrees: number, fill: Fill): RgbImage {
  const turn = degrees % 360;
  if (turn === 0) return image;
  const angle = (-(turn < 0 ? turn + 360 : turn) * Math.PI) / 180;
  const cos = Number(Math.cos(angle).toFixed(15));
  const sin = Number(Math.sin(angle).toFixed(15));
  const x = image.width / 2;
  const y = image.height / 2;
  const c = cos * -x + sin * -y + 0 + x;
  const f = Number((-sin).toFixed(15)) * -x + cos * -y + 0 + y;
  return affine(image, [cos, sin, c, -sin, cos, f], 'bicubic', fill);
}

/** torchvision's RandomAffine without shear: a turn, a shift in whole pixels and a scaling about the centre. */
export function randomAffine(
  image: RgbImage,
  { degrees, translate, scale }: NonNullable<AugmentConfig['affine']>,
  random: Random,
): RgbImage {
  const angle = uniformBetween(random, -degrees, degrees);
  const maxX = translate * image.width;
  const maxY = translate * image.height;
  const shiftX = translate > 0 ? Math.round(uniformBetween(random, -maxX, maxX)) : 0;
  const shiftY = translate > 0 ? Math.round(uniformBetween(random, -maxY, maxY)) : 0;
  const factor = uniformBetween(random, ...scale);
  return affine(image, inverseSimilarity(image, angle, shiftX, shiftY, factor), 'bilinear', [0, 0, 0]);
}

/** The matrix that takes output back to input, as torchvision computes it. */
function inverseSimilarity(
  { width, height }: RgbImage,
  degrees: number,
  shiftX: number,
  shiftY: number,
  scale: number,
): AffineMatrix {
  const angle = (degrees * Math.PI) / 180;
  const cos = Math.cos(angle) / scale;
  const sin = Math.sin(angle) / scale;
  const x = width / 2;
  const y = height / 2;
  const c = cos * (-x - shiftX) + sin * (-y - shiftY) + x;
  const f = -sin * (-x - shiftX) + cos * (-y - shiftY) + y;
  return [cos, sin, c, -sin, cos, f];
}
