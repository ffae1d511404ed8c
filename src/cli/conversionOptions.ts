import type { Options } from 'yargs';
import type { ConvertOptions } from '../../converters/convert.js';
import type { LoadOptions } from '../models/load.js';
import { type PreprocessingArgs, preprocessingArgs, preprocessingOptions } from './preprocessingOptions.js';

/** Options of every command that takes a checkpoint: what its files may not tell. */
export const checkpointOptions = {
  'num-heads': { type: 'number', describe: 'of a checkpoint: attention heads, where nothing tells them' },
  pool: {
    choices: ['token', 'mean', 'token_mean'],
    describe:
      'of a checkpoint: what the head reads, where tensors do not tell: class token, mean of patches, both',
  },
  activation: {
    choices: ['gelu', 'gelu_tanh', 'quick_gelu', 'relu'],
    describe: "of a checkpoint: the MLP's non-linearity, where it is not the code base's own",
  },
  'layer-norm-eps': {
    type: 'number',
    describe: "of a checkpoint: epsilon of the layer norms, where it is not the code base's own",
  },
  root: {
    type: 'string',
    describe: 'of a checkpoint with several models: what stands before the names of the one to take',
  },
  pooler: {
    type: 'boolean',
    describe: 'of a checkpoint: whether a Hugging Face classifier reads the pooler (with tanh) before it',
  },
  ...preprocessingOptions,
} as const satisfies Readonly<Record<string, Options>>;

/** What a command line says of them. */
export interface ConversionArgs extends PreprocessingArgs {
  readonly numHeads?: number;
  readonly pool?: 'token' | 'mean' | 'token_mean';
  readonly activation?: 'gelu' | 'gelu_tanh' | 'quick_gelu' | 'relu';
  readonly layerNormEps?: number;
  readonly root?: string;
  readonly pooler?: boolean;
}

/** Bounds of the options that are numbers, for checkNumbers: the widest published model has 48 heads. */
export const CONVERSION_NUMBERS = { 'num-heads': [1, 1024] } as const;

/** What load takes of a command line: the options of a conversion, and those that hold for a converted folder too. */
export function loadArgs(args: ConversionArgs): Pick<LoadOptions, 'convert' | 'preprocessing'> {
  return { convert: conversionArgs(args), preprocessing: preprocessingArgs(args) };
}

/** The options of a command line as a conversion takes them; those that were not given are left out. */
export function conversionArgs(args: ConversionArgs): ConvertOptions {
  const { numHeads, pool, activation, layerNormEps, root, pooler } = args;
  const preprocessing = preprocessingArgs(args);
  const given = { numHeads, pool, activation, layerNormEps, root, pooler };
  const told = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  return Object.keys(preprocessing).length > 0 ? { ...told, preprocessing } : told;
}
