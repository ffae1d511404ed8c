import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertRegnet, isRegnet, type RegnetConversion } from '../../converters/convertRegnet.js';
import { convertWithFacts } from '../../converters/convertWithFacts.js';
import type { Checkpoint } from '../../converters/formats/types.js';
import { regnetWeightNames } from '../families/regnet/config.js';
import { weightSpecs } from '../families/vit/weights.js';
import type { FamilySource } from './familySource.js';

type FamilyName = FamilySource['family'];

/** How models of one family are found and converted; loadAny.ts builds them. */
interface Family<Source extends FamilySource> {
  /** Whether a checkpoint holds one. */
  detects(checkpoint: Checkpoint): boolean;
  convert(
    checkpoint: Checkpoint,
    options: ConvertOptions,
  ): Promise<Extract<Source, Conversion | RegnetConversion>>;
  /** Names of the weights that a source reads. */
  weightNames(source: Source): readonly string[];
}

/** Every family by its name; the compiler asks for a row when one is added. */
const families: { readonly [Name in FamilyName]: Family<Extract<FamilySource, { family: Name }>> } = {
  regnet: {
    detects: isRegnet,
    convert: async (checkpoint) => convertRegnet(checkpoint),
    weightNames: ({ config }) => regnetWeightNames(config),
  },
  // Last: what it cannot convert, it names.
  vit: {
    detects: () => true,
    convert: convertWithFacts,
    weightNames: ({ config }) => weightSpecs(config).map(({ name }) => name),
  },
};

type AnyFamily = Family<FamilySource>;

function familyOf({ family }: FamilySource): AnyFamily {
  return families[family] as AnyFamily;
}

/**
 * Maps a checkpoint of any family to a model.
 *
 * @throws UserError that says what it holds, if no family has it
 */
export async function convertAny(
  checkpoint: Checkpoint,
  options: ConvertOptions = {},
): Promise<Conversion | RegnetConversion> {
  const family = Object.values(families).find(({ detects }) => detects(checkpoint))!;
  return family.convert(checkpoint, options);
}

/** Names of the weights that a source reads. */
export function weightNames(source: FamilySource): readonly string[] {
  return familyOf(source).weightNames(source);
}
