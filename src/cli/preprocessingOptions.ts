import type { Options } from 'yargs';
import type { PreprocessingOptions } from '../image/fromOptions.js';
import { cropModes, interpolations, presetNames } from '../image/index.js';
import { UsageError } from './usage.js';

/** Options of a command that say how images are prepared, in place of what the model says. */
export const preprocessingOptions = {
  preset: { choices: presetNames, describe: "preprocessing; by default the model's own" },
  mean: { type: 'string', describe: 'mean of the channels on 0…1: one number, or three as R,G,B' },
  std: { type: 'string', describe: 'deviation of the channels on 0…1: one number, or three as R,G,B' },
  interpolation: { choices: interpolations, describe: "filter of the resize, by Pillow's names" },
  'crop-pct': { type: 'number', describe: 'input size divided by the size that images are scaled to' },
  'crop-mode': { choices: cropModes, describe: "how an image is fitted to the input, by timm's names" },
} as const satisfies Readonly<Record<string, Options>>;

/** What a command line says of them. */
export interface PreprocessingArgs {
  readonly preset?: string;
  readonly mean?: string;
  readonly std?: string;
  readonly interpolation?: string;
  readonly cropPct?: number;
  readonly cropMode?: string;
}

/** The options of a command line as preprocessingFromOptions takes them. Throws a UsageError for what is no number. */
export function preprocessingArgs(args: PreprocessingArgs): PreprocessingOptions {
  const { preset, interpolation, cropPct: crop, cropMode } = args;
  const given = {
    preset,
    mean: numbers('mean', args.mean),
    std: numbers('std', args.std),
    interpolation,
    crop,
    cropMode,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function numbers(name: string, text: string | undefined): number[] | undefined {
  if (text === undefined) return undefined;
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if ((values.length === 1 || values.length === 3) && values.every(Number.isFinite)) return values;
  throw new UsageError(
    `--${name} is ${JSON.stringify(text)}; expected one number, or three as 0.485,0.456,0.406`,
  );
}
