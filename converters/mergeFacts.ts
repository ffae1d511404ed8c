import type { Facts } from './facts.js';

/** Facts of several sources as one: what an earlier one tells, a later one does not change. */
export function mergeFacts(...sources: readonly (Facts | undefined)[]): Facts {
  const found = sources.filter((facts) => facts !== undefined);
  const merged = Object.assign({}, ...found.toReversed()) as Facts;
  return { ...merged, config: Object.assign({}, ...found.toReversed().map(({ config }) => config)) };
}
