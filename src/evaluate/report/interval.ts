/** The normal distribution's quantile for 95 % in the middle. */
const Z = 1.959963984540054;

/**
 * The 95 % confidence interval of a share, after Wilson (1927), without continuity correction: good for few images and
 * for shares near 0 and 1 too. `[0, 1]` where there is nothing.
 *
 * @returns lower and upper end, 0…1
 */
export function wilsonInterval(correct: number, total: number): [low: number, high: number] {
  if (total === 0) return [0, 1];
  const share = correct / total;
  const scale = 1 + Z ** 2 / total;
  const middle = (share + Z ** 2 / (2 * total)) / scale;
  const half = (Z / scale) * Math.sqrt((share * (1 - share)) / total + Z ** 2 / (4 * total ** 2));
  return [correct === 0 ? 0 : middle - half, correct === total ? 1 : middle + half];
}
