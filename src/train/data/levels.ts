import type { RgbImage } from '../../image/types.js';

/** Pictures of one size whose levels lie in memory. Plain data: threads share it where `data` is shared memory. */
export interface Levels {
  readonly width: number;
  readonly height: number;
  /** 1: grey, the level of all three colours; 3: interleaved R, G, B. */
  readonly channels: 1 | 3;
  /** Picture by picture, row by row. */
  readonly data: Uint8Array;
}

/** Picture `index` as RGB; a copy. */
export function pictureAt({ width, height, channels, data }: Levels, index: number): RgbImage {
  const length = width * height * channels;
  const levels = data.subarray(index * length, (index + 1) * length);
  const rgb = new Uint8Array(width * height * 3);
  if (channels === 3) rgb.set(levels);
  else for (let i = 0; i < levels.length; i++) rgb.fill(levels[i], 3 * i, 3 * i + 3);
  return { data: rgb, width, height };
}
