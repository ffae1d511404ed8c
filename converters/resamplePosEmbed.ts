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

/** How position embeddings are resampled along each axis. */
export interface ResampleMethod {
  readonly kernel: 'cubic' | 'linear';
  /** Whether the kernel is stretched when shrinking, as Pillow's. */
  readonly antialias?: boolean;
  /** Whether the first and the last position of both grids lie on each other; else their outer edges do. */
  readonly alignCorners?: boolean;
  /** Added to the new size before the scale is computed (DINO's, against rounding). */
  readonly offset?: number;
}

/** torch.nn.functional.interpolate(mode='bicubic', align_corners=False). */
export const plainBicubic: ResampleMethod = { kernel: 'cubic' };
/** The same with antialias=True. */
export const antialiasedBicubic: ResampleMethod = { kernel: 'cubic', antialias: true };
/** scipy.ndimage.zoom(order=1). */
export const cornersBilinear: ResampleMethod = { kernel: 'linear', alignCorners: true };

/** Describes a method for the report. */
export function resampleText({ kernel, antialias, alignCorners, offset }: ResampleMethod): string {
  const with_ = [
    ...(antialias ? ['antialias'] : []),
    ...(alignCorners ? ['corners aligned'] : []),
    ...(offset ? [`offset ${offset}`] : []),
  ];
  return `bi${kernel === 'cubic' ? 'cubic' : 'linear'}${with_.length > 0 ? ` with ${with_.join(', ')}` : ''}`;
}

/** Position in the old grid of position `i` of the new one, both counted from the first's middle. */
function sourcePosition(
  i: number,
  from: number,
  to: number,
  { alignCorners, offset = 0 }: ResampleMethod,
): number {
  if (alignCorners) return to > 1 ? (i * (from - 1)) / (to - 1) : 0;
  return ((i + 0.5) * from) / (to + offset) - 0.5;
}

/** Interpolation along one axis without antialias: a = −0.75, and positions outside are those at the border. */
function plainTaps(from: number, to: number, method: ResampleMethod): Taps[] {
  const reach = method.kernel === 'cubic' ? 2 : 1;
  const kernel = (x: number) => (method.kernel === 'cubic' ? cubic(x, -0.75) : Math.max(0, 1 - Math.abs(x)));
  return Array.from({ length: to }, (_, i) => {
    const centre = sourcePosition(i, from, to, method);
    const base = Math.floor(centre);
    const weights = new Array<number>(from).fill(0);
    for (let tap = base - reach + 1; tap <= base + reach; tap++) {
      weights[Math.min(Math.max(tap, 0), from - 1)]! += kernel(centre - tap);
    }
    return { first: 0, weights };
  });
}

/** Bicubic with antialias: a = −0.5 as PIL's, the kernel stretched when shrinking, cut at the border. */
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
 * Resamples position embeddings for another patch grid; those of the prefix tokens stay. How is the code base's: each
 * table of converters/namings says it.
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
  method: ResampleMethod,
): Float32Array {
  const taps = method.antialias
    ? antialiasTaps
    : (length: number, wanted: number) => plainTaps(length, wanted, method);
  const vertical = taps(from[0], to[0]);
  const horizontal = taps(from[1], to[1]);
  const out = new Float32Array((prefix + to[0] * to[1]) * dim);
  out.set(posEmbed.subarray(0, prefix * dim));
  const sum = new Float64Array(dim);
  for (const [row, v] of vertical.entries()) {
    for (const [column, h] of horizontal.entries()) {
      sum.fill(0);
      v.weights.forEach((wv, y) => {
        h.weights.forEach((wh, x) => {
          const weight = wv * wh;
          if (weight === 0) return;
          const start = (prefix + (v.first + y) * from[1] + h.first + x) * dim;
          for (let c = 0; c < dim; c++) sum[c]! += weight * posEmbed[start + c]!;
        });
      });
      out.set(sum, (prefix + row * to[1] + column) * dim);
    }
  }
  return out;
}
