import { expect, test } from '@jest/globals';
import { resamplePosEmbed } from '../../converters/resamplePosEmbed.js';
import { closedForms } from '../train/closedForms.js';

test.each(
  closedForms.resampled,
)("$start → $end patches, antialias $antialias, as torch's bicubic interpolate", ({
  start,
  end,
  antialias,
  grid,
  out,
}) => {
  const prefix = [7, -7, 8, -8];
  const resampled = resamplePosEmbed(Float32Array.of(...prefix, ...grid), 2, 2, start, end, {
    kernel: 'cubic',
    antialias,
  });
  expect([...resampled.subarray(0, 4)]).toEqual(prefix);
  expect(resampled).toHaveLength(4 + out.length);
  for (const [i, value] of out.entries()) expect(resampled[4 + i]).toBeCloseTo(value, 5);
});
