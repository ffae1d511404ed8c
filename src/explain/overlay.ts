import { checkArguments } from '../checkArguments.js';
import { checkOptions } from '../checkOptions.js';
import { resize } from '../image/resize.js';
import type { RgbImage } from '../image/types.js';
import { heatColormap } from './colormap.js';
import type { PatchMap } from './types.js';

export interface OverlayOptions {
  /** How much of the image the colours cover, 0…1; 0.6 by default. */
  opacity?: number;
}

/**
 * Lays a map over an image: scaled to its size by bicubic interpolation, from the lowest value (dark) to the highest
 * (bright; see mapToGrey), and blended with the image.
 */
export function overlay(image: RgbImage, map: PatchMap, options: OverlayOptions = {}): RgbImage {
  checkOptions('overlay', options, { opacity: 'any' });
  const { opacity = 0.6 } = options;
  checkArguments('overlay', { image: ['rgb', image], map: ['patchMap', map], opacity: ['share', opacity] });
  const levels = resize(mapToGrey(map), image.width, image.height).data;
  const data = new Uint8Array(image.data.length);
  for (let i = 0; i < data.length; i += 3) {
    const color = 3 * levels[i]!;
    for (let c = 0; c < 3; c++) {
      data[i + c] = Math.round((1 - opacity) * image.data[i + c]! + opacity * heatColormap[color + c]!);
    }
  }
  return { data, width: image.width, height: image.height };
}

/**
 * The share of patches below the brightest colour. Large models gather attention in a few patches of the background
 * (arXiv 2309.16588); scaled to those, the rest would be black.
 */
const BRIGHTEST_FROM = 0.98;

/** A map as a grey image of one pixel a patch, its lowest value 0 and its highest, the top 2 % alike, 255; a flat map is black. */
export function mapToGrey(map: PatchMap): RgbImage {
  checkArguments('mapToGrey', { map: ['patchMap', map] });
  const { data, rows, cols } = map;
  const sorted = data.toSorted();
  const min = sorted[0]!;
  const range = sorted[Math.ceil(BRIGHTEST_FROM * data.length) - 1]! - min;
  const grey = new Uint8Array(3 * data.length);
  for (const [i, value] of data.entries()) {
    const level = range > 0 ? Math.min(255, Math.round((255 * (value - min)) / range)) : 0;
    grey.fill(level, 3 * i, 3 * i + 3);
  }
  return { data: grey, width: cols, height: rows };
}
