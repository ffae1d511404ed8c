import type { Random } from '../../random.js';

/** Gamma-distributed with scale 1 (Marsaglia and Tsang, ACM TOMS 26, 2000). `shape` is above 0. */
function gamma(random: Random, shape: number): number {
  if (shape < 1) return gamma(random, shape + 1) * (1 - random.uniform()) ** (1 / shape);
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = random.normal();
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
  }
}

/** Beta(alpha, alpha)-distributed on [0, 1]. `alpha` is above 0. */
export function beta(random: Random, alpha: number): number {
  const a = gamma(random, alpha);
  const b = gamma(random, alpha);
  return a + b > 0 ? a / (a + b) : 0.5;
}
