import type { Assumption } from '../../converters/facts.js';
import { say } from './print.js';

/** A model, or what one is built from. */
interface Assuming {
  readonly config: unknown;
  readonly assumptions?: readonly Assumption[];
}

/** What was assumed of a model because its files do not tell it. */
export function assumptionsOf(model: Assuming): readonly Assumption[] {
  return model.assumptions ?? [];
}

/** Says on stderr what was assumed of a model. */
export function sayAssumptions(model: Assuming): void {
  for (const { field, value, why } of assumptionsOf(model))
    say(`assumed: ${field} ${value}: ${why}`, 'quiet');
}
