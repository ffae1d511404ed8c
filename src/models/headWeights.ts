import { UserError } from '../errors.js';

/**
 * What weights of heads have in common.
 *
 * @param names of the heads that there should be
 * @throws UserError if one is missing or has another size, or there is another weight beside them
 */
export function sizeOfHeads(
  weights: ReadonlyMap<string, Float32Array>,
  names: readonly string[],
  what: string,
): { readonly classes: number; readonly width: number } {
  const classes = weights.get('head.bias')?.length ?? 0;
  const width = (weights.get('head.kernel')?.length ?? 0) / classes;
  const expected = new Map(
    names.flatMap((name) => [
      [`${name}.kernel`, width * classes],
      [`${name}.bias`, classes],
    ]),
  );
  const isRight = [...expected].every(([name, length]) => length > 0 && weights.get(name)?.length === length);
  if (isRight && expected.size === weights.size && names.length > 0) return { classes, width };
  const found = [...weights].map(([name, values]) => `${name} [${values?.length}]`).join(', ') || 'nothing';
  throw new UserError(
    `${what}: heads are ${names.join(' and ') || 'head'} with kernel [width, classes] and bias [classes], got ${found}`,
  );
}
