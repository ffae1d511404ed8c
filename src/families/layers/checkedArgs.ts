import { describeValue } from '../../checkOptions.js';
import { UserError } from '../../errors.js';
import { nearest, oneLine } from '../../text.js';
import type { LayerArgs } from './types.js';

/** What follows a field's name in a message if its value cannot be built. */
type Check = (value: never) => string | undefined;

/** The fields that a layer takes beside LayerArgs. */
interface Fields {
  readonly required: Readonly<Record<string, Check>>;
  readonly optional?: Readonly<Record<string, Check>>;
}

/** The fields of LayerArgs, and those that tfjs adds where it reads a stored layer. */
const COMMON: Readonly<Record<keyof NonNullable<LayerArgs> | 'updatable' | 'customObjects', true>> = {
  customObjects: true,
  inputShape: true,
  batchInputShape: true,
  batchSize: true,
  dtype: true,
  name: true,
  trainable: true,
  updatable: true,
  weights: true,
  inputDType: true,
};

/**
 * The arguments of a layer's constructor, checked: tfjs passes over fields that it does not know, and a layer without one
 * that it needs would compute something else.
 *
 * @param layer the layer's name in `deit.layers`, for messages
 * @throws UserError naming a field that is unknown, missing, or holds what cannot be built
 */
export function checkedArgs<A extends LayerArgs>(layer: string, args: A, { required, optional }: Fields): A {
  if (typeof args !== 'object' || args === null) {
    throw new UserError(
      `${layer} takes an object with ${Object.keys(required).join(', ')}, got ${describeValue(args)}`,
    );
  }
  const given = args as Readonly<Record<string, unknown>>;
  const checks: Readonly<Record<string, Check>> = { ...required, ...optional };
  for (const field of Object.keys(given)) {
    if (!(field in COMMON) && !(field in checks)) throw unknownField(layer, field, Object.keys(checks));
  }
  for (const [field, check] of Object.entries(checks)) {
    const value = given[field];
    const problem = value === undefined && !(field in required) ? undefined : check(value as never);
    if (problem) throw new UserError(`${layer}: ${field} ${problem}`);
  }
  return args;
}

function unknownField(layer: string, field: string, names: readonly string[]): UserError {
  const [near] = nearest(field, names);
  const hint = near ? `did you mean ${near}?` : `it has ${names.join(', ')}`;
  return new UserError(`${layer} has no field "${oneLine(field.slice(0, 60))}"; ${hint}`);
}
