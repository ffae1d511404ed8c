import { convertByTables } from './allTables.js';
import { checkConvertOptions } from './checkConvertOptions.js';
import type { Conversion, ConvertOptions } from './convert.js';
import type { Assumption, Facts } from './facts.js';
import type { ReadFolder, ReadFolderOptions } from './folders/readFolder.js';
import type { Checkpoint } from './formats/types.js';
import { metadataFacts } from './metadataFacts.js';

/** Maps a checkpoint to a model by all that its file says of it; see convert and metadataFacts. */
export async function convertWithFacts(
  checkpoint: Checkpoint,
  options: ConvertOptions = {},
): Promise<Conversion> {
  const facts = options.facts ?? (await metadataFacts(checkpoint, factOptions(options)));
  return convertByTables(checkpoint, { ...options, facts });
}

/** Maps a folder's checkpoint to a model; what was assumed of the folder comes first among the assumptions. */
export function convertRead(
  { checkpoint, facts, assumptions }: ReadFolder,
  options: ConvertOptions = {},
): Conversion {
  const known: Facts = options.facts ?? facts;
  return withAssumptions(convertByTables(checkpoint, { ...options, facts: known }), assumptions);
}

/** What the options of a conversion tell those who look for facts. */
export function factOptions(options: ConvertOptions): ReadFolderOptions {
  checkConvertOptions(options);
  const { model, imgSize, pool, preprocessing } = options;
  const named = model === undefined || model === 'auto' ? undefined : model;
  return { model: named, imgSize, pool, skipPreprocessing: preprocessing?.preset !== undefined };
}

function withAssumptions(conversion: Conversion, before: readonly Assumption[]): Conversion {
  if (before.length === 0) return conversion;
  const assumptions = [...before, ...conversion.assumptions];
  return { ...conversion, assumptions, report: { ...conversion.report, assumptions } };
}
