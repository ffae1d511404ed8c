import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertRegnet, isRegnet, type RegnetConversion } from '../../converters/convertRegnet.js';
import { convertWithFacts } from '../../converters/convertWithFacts.js';
import type { Checkpoint } from '../../converters/formats/types.js';
import { chooseBackend } from '../backend.js';
import { onBackend } from '../boundBackend.js';
import { UserError } from '../errors.js';
import { regnetWeightNames } from '../families/regnet/config.js';
import { weightSpecs } from '../families/vit/weights.js';
import type { ImageModel } from './imageModel.js';
import { type LoadOptions, loadFrom, type ModelSource } from './load.js';
import { loadRegnet } from './regnet.js';

/** What a model of any family can be built from. */
export type FamilySource = ModelSource | RegnetConversion;

type FamilyName = FamilySource['family'];

/** How models of one family are found, converted and built. */
interface Family<Source extends FamilySource> {
  /** Whether a checkpoint holds one. */
  detects(checkpoint: Checkpoint): boolean;
  convert(
    checkpoint: Checkpoint,
    options: ConvertOptions,
  ): Promise<Extract<Source, Conversion | RegnetConversion>>;
  load(source: Source, options: LoadOptions): Promise<ImageModel>;
  /** Names of the weights that a source reads. */
  weightNames(source: Source): readonly string[];
}

/** Every family by its name; the compiler asks for a row when one is added. */
const families: { readonly [Name in FamilyName]: Family<Extract<FamilySource, { family: Name }>> } = {
  regnet: {
    detects: isRegnet,
    convert: async (checkpoint) => convertRegnet(checkpoint),
    load: async (source, { backend, quantize, onProgress, onBackend: tell }) => {
      if (quantize)
        throw new UserError(`${source.config.name}: int8 is for vision transformers, not for RegNet`);
      const { choice, bound } = await chooseBackend(backend);
      tell?.(choice);
      const report =
        onProgress && ((fraction: number) => onProgress(fraction, { loadedBytes: 0, totalBytes: 0 }));
      return onBackend(bound, () => loadRegnet(source, report));
    },
    weightNames: ({ config }) => regnetWeightNames(config),
  },
  // Last: what it cannot convert, it names.
  vit: {
    detects: () => true,
    convert: convertWithFacts,
    load: loadFrom,
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

/** Builds a model of any family on a backend and fills in its weights. */
export function loadAny(source: FamilySource, options: LoadOptions = {}): Promise<ImageModel> {
  return familyOf(source).load(source, options);
}

/** Names of the weights that a source reads. */
export function weightNames(source: FamilySource): readonly string[] {
  return familyOf(source).weightNames(source);
}

/** The source of a vision transformer. Throws a UserError that names the family if it is another. */
export function requireVit<Source extends FamilySource>(
  source: Source,
  name: string,
): Extract<Source, { family: 'vit' }> {
  if (source.family === 'vit') return source as Extract<Source, { family: 'vit' }>;
  throw new UserError(
    `${name}: holds ${source.config.name}, a RegNet, which is evaluated (deit eval) and teaches (deit train); ` +
      'this takes a vision transformer',
  );
}
