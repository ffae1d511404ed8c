/** Points of the rotation of K values: the largest power of 4 up to 64 that divides K. */
export function hadamardSize(k: number): number {
  return [64, 16, 4].find((size) => k % size === 0) ?? 1;
}
