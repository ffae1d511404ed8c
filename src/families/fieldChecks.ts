/** Checks of one field: each gives what follows the field's name in a message if a value cannot be built. */

const shown = (value: unknown) => (typeof value === 'string' ? JSON.stringify(value) : String(value));

export const wholeFrom = (least: number) => (value: number) =>
  Number.isSafeInteger(value) && value >= least
    ? undefined
    : `must be a whole number of at least ${least}, got ${shown(value)}`;
export const oneOf =
  (...choices: readonly unknown[]) =>
  (value: unknown) =>
    choices.includes(value) ? undefined : `must be one of ${choices.join(', ')}, got ${shown(value)}`;
export const flag = (value: unknown) =>
  typeof value === 'boolean' ? undefined : `must be true or false, got ${shown(value)}`;
export const above =
  (least: number, most = Number.POSITIVE_INFINITY) =>
  (value: number) =>
    typeof value === 'number' && value > least && value < most
      ? undefined
      : `must be above ${least}, got ${shown(value)}`;
export const pair = (least: number) => (value: readonly number[]) =>
  Array.isArray(value) && value.length === 2
    ? value.map(wholeFrom(least)).find((problem) => problem !== undefined)
    : `must be [height, width], got ${shown(value)}`;
export const upTo = (least: number, most: number) => (value: number) =>
  wholeFrom(least)(value) ?? (value > most ? `must be at most ${most}, got ${value}` : undefined);
export const within =
  (least: number, below: number) =>
  (value: number): string | undefined =>
    typeof value === 'number' && value >= least && value < below
      ? undefined
      : `must lie in [${least}, ${below}), got ${shown(value)}`;
export const finite = (value: unknown) =>
  Number.isFinite(value) ? undefined : `must be a number, got ${shown(value)}`;
