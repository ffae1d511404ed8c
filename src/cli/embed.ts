import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ComputeDtype } from '../computeDtype.js';
import { UserError } from '../errors.js';
import { defaultPool, type EmbeddingPool } from '../models/embedding.js';
import { checkOutput } from '../node/checkOutput.js';
import { type FileSource, fileSource } from '../node/data/fileDataset.js';
import { listImages, passedOverNote } from '../node/data/imageFiles.js';
import { type EmbedFilesOptions, embedFiles, type FileFeatures } from '../node/embedFiles.js';
import { loadClassifier } from '../node/loadClassifier.js';
import { featuresFormat, listOf, writeFeatures } from '../node/writeFeatures.js';
import { sayAssumptions } from './assumptions.js';
import { defineCommand } from './command.js';
import { CONVERSION_NUMBERS, type ConversionArgs, checkpointOptions, loadArgs } from './conversionOptions.js';
import { hubMessages } from './downloadProgress.js';
import {
  BATCH_NUMBERS,
  backendOption,
  batchSizeOption,
  gpuOptions,
  jsonOption,
  MAX_WORKERS,
  modelPositional,
  quantizeOption,
  workersOption,
} from './options.js';
import { print, printJson, say } from './print.js';
import { type Progress, startProgress } from './progress.js';
import { checkNumbers, UsageError } from './usage.js';

/** Here --pool is of the features; a head, which no feature passes through, needs none. */
const { pool: _, ...optionsBesidePool } = checkpointOptions;

interface Args extends Omit<ConversionArgs, 'pool'> {
  model: string;
  images: string[];
  out: string;
  pool?: EmbeddingPool;
  batchSize: number;
  workers: number;
  backend: string;
  device?: string;
  dtype?: ComputeDtype;
  quantize?: 'int8';
  json: boolean;
}

/** `deit embed`: features of images, as a file for other programs. */
export const embedCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('model', modelPositional)
      .positional('images', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'image files, or folders of some',
      })
      .option('out', {
        type: 'string',
        demandOption: true,
        describe: 'FILE.npy (the images in FILE.txt) or FILE.safetensors (in its metadata)',
      })
      .option('pool', {
        choices: ['token', 'mean', 'both'] as const,
        describe: 'class token, mean of the patch tokens, or both side by side; by default the token if any',
      })
      .options(optionsBesidePool)
      .options(batchSizeOption)
      .options(workersOption('threads that decode; 0: none'))
      .options(backendOption)
      .options(gpuOptions)
      .options(quantizeOption)
      .options(jsonOption())
      .check((args) =>
        checkNumbers(args, {
          ...BATCH_NUMBERS,
          workers: [0, MAX_WORKERS],
          ...CONVERSION_NUMBERS,
        }),
      )
      .check(({ images }) => {
        if (images.length === 0) throw new UsageError('say which images: embed MODEL FOLDER|IMAGE...');
        return true;
      }),
  examples: [
    ['$0 deit-tiny/ photos/ --out photos.npy', 'class tokens, and photos.txt with the files'],
    [
      '$0 deit-tiny/ photos/ --out photos.safetensors --pool both',
      'with the mean of the patches beside them',
    ],
  ],
  handler: async (args) => {
    const format = featuresFormat(args.out);
    const files = await filesOf(args.images);
    const inputs = [args.model, ...files];
    await checkOutput(args.out, inputs);
    if (format === 'npy') await checkOutput(listOf(args.out), inputs);
    const unlisted = format === 'npy' ? files.find((file) => /[\r\n]/.test(file)) : undefined;
    if (unlisted !== undefined) {
      throw new UserError(
        `${JSON.stringify(unlisted)}: a file's name with a line break has no place in ${listOf(args.out)}; write .safetensors, or rename it`,
      );
    }
    const { features, pool } = await featuresOf(args, files);
    const { indices, values, width, failed } = features;
    if (indices.length === 0) throw new UserError(`none of the ${failed} images could be read`);
    const metadata = { model: args.model, pool };
    const kept = indices.map((index) => files[index]!);
    const written = await writeFeatures(args.out, { values, width, files: kept, metadata });
    const summary = { images: indices.length, width, pool, failed, files: written };
    if (args.json) printJson(summary);
    else print(`${written.join(', ')}: ${indices.length} images, ${width} features each (${pool})`);
    if (failed > 0)
      throw new UserError(`${failed} of ${files.length} images could not be read and are left out`);
  },
});

async function featuresOf(
  args: Args,
  files: readonly string[],
): Promise<{ features: FileFeatures; pool: EmbeddingPool }> {
  const { pool: asked, ...rest } = args;
  const { backend, device, dtype, quantize } = rest;
  const model = await loadClassifier(args.model, {
    backend,
    device,
    dtype,
    quantize,
    hub: hubMessages(),
    ...loadArgs(rest),
  });
  try {
    sayAssumptions(model);
    const { config } = model;
    const pool = asked ?? defaultPool(config);
    if (pool !== 'mean' && config.classToken === false) {
      throw new UserError(`${args.model}: has no class token; use --pool mean`);
    }
    const { preprocessing } = model;
    const { batchSize, workers } = args;
    const options = { preprocessing, pool, batchSize, workers };
    return { features: await embedWithProgress('embed', model, fileSource('', files), options), pool };
  } finally {
    model.dispose();
  }
}

/** As embedFiles, with progress and failures on stderr. */
export async function embedWithProgress(
  label: string,
  model: Parameters<typeof embedFiles>[0],
  images: FileSource,
  options: EmbedFilesOptions,
): Promise<FileFeatures> {
  const progress: Progress = startProgress({ label, total: images.length, unit: 'images' });
  try {
    return await embedFiles(model, images, {
      onProgress: (done) => progress.update(done),
      onFailure: (message) => say(`not read: ${message}`, 'warning'),
      ...options,
    });
  } finally {
    progress.stop();
  }
}

/** The images that arguments name: files, and all images below folders. A file that is not there fails by itself. */
async function filesOf(images: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const name of images) {
    const info = await stat(name).catch(() => undefined);
    if (!info?.isDirectory()) {
      files.push(name);
      continue;
    }
    const { images: below, passedOver } = await listImages(name);
    for (const note of passedOverNote(name, passedOver)) say(note);
    if (below.length === 0) throw new UserError(`${name}: no images in it`);
    for (const file of below) files.push(join(name, file));
  }
  return files;
}
