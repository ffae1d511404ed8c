import type { Facts } from './facts.js';

/** Facts of several sources as one: what an earlier one tells, a later one does not change. */
export function mergeFacts(...sources: readonly (Facts | undefined)[]): Facts {
  const found = sources.filter((facts) => facts !== undefined);
  const merged: Record<string, unknown> = {};
  for (const facts of found.toReversed()) {
    for (const [name, value] of Object.entries(facts)) if (value !== undefined) merged[name] = value;
  }
  return { ...merged, config: Object.assign({}, ...found.toReversed().map(({ config }) => config)) };
}
