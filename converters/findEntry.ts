import { modelEntries } from '../configs/models/index.js';
import type { ModelEntry } from '../src/families/modelEntry.js';

/** The entry of a named model, by its name or an alias; undefined for a name that none has. */
export function findEntry(name: string): ModelEntry | undefined {
  return modelEntries.find(({ config, aliases }) => config.name === name || aliases.includes(name));
}
