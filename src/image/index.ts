import type { Preprocessing, RgbImage } from './types.js';
export function preprocess(_i: RgbImage, _p: Preprocessing): Float32Array {
  throw new Error('stub');
}
export function preprocessingFor(preset: string, s: readonly [number, number]): Preprocessing {
  return { preset, resize: { mode: 'short', size: 256 }, crop: s, mean: [0, 0, 0], std: [1, 1, 1] };
}
