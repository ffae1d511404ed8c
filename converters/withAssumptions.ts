import type { Conversion } from './convert.js';
import type { Assumption } from './facts.js';

/** A conversion with assumptions that were made before it, of its folder. */
export function withAssumptions(conversion: Conversion, before: readonly Assumption[]): Conversion {
  if (before.length === 0) return conversion;
  const assumptions = [...before, ...conversion.assumptions];
  return { ...conversion, assumptions, report: { ...conversion.report, assumptions } };
}
