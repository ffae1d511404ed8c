/** One output position as a weighted sum of input positions. */
interface Taps {
  first: number;
  weights: number[];
}

/** Cubic convolution kernel (Keys, 1981). */
function cubic(x: number, a: number): number {
  const t = Math.abs(x);
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  if (t < 2) return (((t - 5) * t + 8) * t - 4) * a;
  return 0;
}

/**
 * torch.nn.functional.interpolate(mode='bicubic', align_corners=False) along one axis: a = −0.75, and positions
 * outside are those at the border.
 */
function plainTaps(from: number, to: number): Taps[] {
  return Array.from({ length: to }, (_, i) => {
    const centre = ((i + 0.5) * from) / to - 0.5;
    const base = Math.floor(centre);
    const weights = new Array<number>(from).fill(0);
    for (let tap = base - 1; tap <= base + 2; tap++) {
      weights[Math.min(Math.max(tap, 0), from - 1)] += cubic(centre - tap, -0.75);
    }
    return { first: 0, weights };
  });
}

/** The same with antialias=True: a = −0.5 as PIL's, the kernel stretched when shrinking, cut at the border. */
function antialiasTaps(from: number, to: number): Taps[] {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - 2 * stretch + 0.5));
    const end = Math.min(from, Math.floor(centre + 2 * stretch + 0.5));
    const weights = Array.from({ length: end - first }, (_, j) =>
      cubic((first + j - centre + 0.5) / stretch, -0.5),
    );
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((w) => w / sum) };
  });
}

/**
 * Resamples position embeddings for another patch grid by bicubic interpolation; those of the prefix tokens stay.
 * Source: facebookresearch/deit main.py (without antialias), timm resample_abs_pos_embed (with it).
 *
 * @param posEmbed float32 [prefix + rows · columns, dim]
 * @returns float32 [prefix + newRows · newColumns, dim]
 */
export function resamplePosEmbed(
  posEmbed: Float32Array,
  dim: number,
  prefix: number,
  from: readonly [number, number],
  to: readonly [number, number],
  antialias: boolean,
): Float32Array {
  const taps = antialias ? antialiasTaps : plainTaps;
  const vertical = taps(from[0], to[0]);
  const horizontal = taps(from[1], to[1]);
  const out = new Float32Array((prefix + to[0] * to[1]) * dim);
  out.set(posEmbed.subarray(0, prefix * dim));
  const sum = new Float64Array(dim);
  for (let row = 0; row < to[0]; row++) {
    for (let column = 0; column < to[1]; column++) {
      sum.fill(0);
      const [v, h] = [vertical[row], horizontal[column]];
      v.weights.forEach((wv, y) => {
        h.weights.forEach((wh, x) => {
          const weight = wv * wh;
          if (weight === 0) return;
          const start = (prefix + (v.first + y) * from[1] + h.first + x) * dim;
          for (let c = 0; c < dim; c++) sum[c] += weight * posEmbed[start + c];
        });
      });
      out.set(sum, (prefix + row * to[1] + column) * dim);
    }
  }
  return out;
}
