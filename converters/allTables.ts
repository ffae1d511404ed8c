import { type Conversion, type ConvertOptions, convert } from './convert.js';
import type { Checkpoint } from './formats/types.js';
import type { ModelTables } from './modelTables.js';
import { namedModel } from './namedFacts.js';
import { otherConventions, timmPreset } from './publishedLike.js';

/** The tables of all published models. */
export const allTables: ModelTables = { namedModel, otherConventions, timmPreset };

/** As convert, with the tables of all published models. */
export function convertByTables(checkpoint: Checkpoint, options: ConvertOptions = {}): Conversion {
  return convert(checkpoint, { tables: allTables, ...options });
}
