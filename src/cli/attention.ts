import * as tf from '@tensorflow/tfjs-core';
import { UserError } from '../errors.js';
import {
  type AttentionStack,
  attentionGrid,
  attentionMap,
  attentionStack,
  type HeadFusion,
  modelCrop,
  overlay,
  type PatchMap,
  type PrefixToken,
  relevance,
  rollout,
} from '../explain/index.js';
import { preprocess, type RgbImage } from '../image/index.js';
import { checkRgb } from '../models/classify.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { checkOutput } from '../node/checkOutput.js';
import { load } from '../node/load.js';
import { checkImagePath, writeImage } from '../node/writeImage.js';
import { sayAssumptions } from './assumptions.js';
import { defineCommand } from './command.js';
import { CONVERSION_NUMBERS, type ConversionArgs, checkpointOptions, loadArgs } from './conversionOptions.js';
import { hubMessages } from './downloadProgress.js';
import { backendOption, modelPositional } from './options.js';
import { print } from './print.js';
import { readImage } from './readImage.js';
import { checkNumbers, UsageError } from './usage.js';

interface Args extends ConversionArgs {
  model: string;
  image: string;
  out: string;
  layer?: number;
  head?: number;
  token: PrefixToken;
  rollout?: boolean;
  fusion?: HeadFusion;
  discard?: number;
  class?: string;
  grid?: boolean;
  opacity: number;
  backend: string;
}

/** `deit attention`: an image of what the model looks at. */
export const attentionCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .positional('model', modelPositional)
      .positional('image', { type: 'string', demandOption: true, describe: 'image file; - is stdin' })
      .option('out', {
        type: 'string',
        demandOption: true,
        describe: 'image file to write: .png, .jpg or .webp',
      })
      .option('layer', { type: 'number', describe: 'layer, counted from 1; by default the last' })
      .option('head', { type: 'number', describe: 'head, counted from 1; by default the mean of all' })
      .option('token', {
        choices: ['cls', 'dist'] as const,
        default: 'cls' as const,
        describe: 'whose attention: the class or the distillation token',
      })
      .option('rollout', {
        type: 'boolean',
        describe: 'through all layers and heads (Abnar and Zuidema, arXiv 2005.00928)',
      })
      .option('fusion', {
        choices: ['mean', 'max', 'min'] as const,
        describe: 'of a rollout: how the heads become one; by default their mean',
      })
      .option('discard', {
        type: 'number',
        describe: "of a rollout: share of a layer's weights, the smallest, that count as 0; by default 0",
      })
      .option('class', {
        type: 'string',
        describe: 'what speaks for this class, by label or index (Chefer et al., arXiv 2103.15679)',
      })
      .option('grid', {
        type: 'boolean',
        describe: 'every head in one image: a row a layer, a column a head',
      })
      .conflicts('rollout', ['layer', 'head', 'grid', 'class'])
      .conflicts('grid', ['layer', 'head', 'class'])
      .conflicts('class', ['layer', 'head'])
      .implies('fusion', 'rollout')
      .implies('discard', 'rollout')
      .option('opacity', {
        type: 'number',
        default: 0.6,
        describe: 'of the colours over the image, 0 to 1',
      })
      .options(backendOption)
      .options(checkpointOptions)
      .check((args) => checkNumbers(args, { layer: 1, head: 1, ...CONVERSION_NUMBERS }))
      .check(({ opacity }) => {
        if (opacity >= 0 && opacity <= 1) return true;
        throw new UsageError(`--opacity must be from 0 to 1, got ${opacity}`);
      }),
  examples: [
    ['$0 deit-tiny/ cat.jpg --out cat.png --layer 12 --head 3', 'one head of the last layer'],
    ['$0 deit-tiny/ cat.jpg --out cat.png --rollout', 'the whole model'],
    ['$0 deit-tiny/ cat.jpg --out cat.png --grid', 'every head of every layer'],
  ],
  handler: async (args) => {
    checkImagePath(args.out); // before the work, not after it
    await checkOutput(args.out, [args.model, args.image]);
    const image = await readImage(args.image);
    const model = await load(args.model, { backend: args.backend, hub: hubMessages(), ...loadArgs(args) });
    sayAssumptions(model);
    try {
      await writeImage(args.out, await draw(model, image, args));
    } finally {
      model.dispose();
    }
    print(args.out);
  },
});

/** Images whose longer side has fewer pixels are enlarged, pixel by pixel. */
const LEAST_SIDE = 448;
/** Longer side of one cell of the grid. */
const LEAST_TILE = 128;

async function draw(model: VisionTransformer, image: RgbImage, args: Args): Promise<RgbImage> {
  const { token, opacity } = args;
  checkRgb(model.config);
  const seen = modelCrop(image, model.preprocessing);
  const [height, width] = model.preprocessing.crop;
  const x = tf.tensor4d(preprocess(image, model.preprocessing), [1, height, width, 3]);
  try {
    if (args.class !== undefined) {
      const map = await relevance(model, x, { classIndex: classIndexOf(model, args.class), token });
      return overlay(enlarge(seen, LEAST_SIDE), map, { opacity });
    }
    const stack = await attentionStack(model, x);
    if (!args.grid) return overlay(enlarge(seen, LEAST_SIDE), mapFor(stack, args), { opacity });
    const cell = enlarge(seen, LEAST_TILE);
    const isSmall = cell !== seen;
    const tile = isSmall ? Math.max(cell.width, cell.height) : LEAST_TILE;
    return attentionGrid(cell, stack, { token, opacity, tile });
  } finally {
    x.dispose();
  }
}

function mapFor(stack: AttentionStack, args: Args): PatchMap {
  const { token, fusion, discard: discardRatio } = args;
  if (args.rollout) return rollout(stack, { token, fusion, discardRatio });
  const layer = fromZero(args.layer, stack.layers.length, 'layer');
  return attentionMap(stack, { layer, head: fromZero(args.head, stack.heads, 'head'), token });
}

/** A number that people count from 1 as the library counts it. */
function fromZero(number: number | undefined, count: number, what: string): number | undefined {
  if (number === undefined || number <= count) return number === undefined ? undefined : number - 1;
  throw new UserError(`the model has ${count} ${what}s, 1 to ${count}; there is no ${what} ${number}`);
}

/** A class by its label, one of its names or its index. */
function classIndexOf({ labels, config }: VisionTransformer, wanted: string): number {
  const byLabel = labels?.findIndex((label) => label === wanted || label.split(', ').includes(wanted)) ?? -1;
  if (byLabel >= 0) return byLabel;
  if (/^\d+$/.test(wanted) && Number(wanted) < config.numClasses) return Number(wanted);
  throw new UserError(`${config.name}: none of its ${config.numClasses} classes is ${wanted}`);
}

/** A small image made larger by a whole number of times, each pixel as a square. */
function enlarge(image: RgbImage, leastSide: number): RgbImage {
  const factor = Math.ceil(leastSide / Math.max(image.width, image.height));
  if (factor <= 1) return image;
  const [width, height] = [image.width * factor, image.height * factor];
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 3 * (Math.floor(y / factor) * image.width + Math.floor(x / factor));
      for (let c = 0; c < 3; c++) data[3 * (y * width + x) + c] = image.data[from + c]!;
    }
  }
  return { data, width, height };
}
