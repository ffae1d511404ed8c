import * as tf from '@tensorflow/tfjs-core';
import {
  type AttentionStack,
  attentionMap,
  attentionSheet,
  attentionStack,
  overlay,
  type PatchMap,
  type PrefixToken,
  rollout,
  seenPart,
} from '../explain/index.js';
import { preprocess, type RgbImage } from '../image/index.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { load } from '../node/index.js';
import { writePng } from '../node/writePng.js';
import { sayAssumptions } from './assumptions.js';
import { type Command, checkNumbers, UsageError } from './main.js';
import { print } from './print.js';
import { readImage } from './readImage.js';

interface Args {
  model: string;
  image: string;
  out: string;
  layer?: number;
  head?: number;
  token: PrefixToken;
  rollout?: boolean;
  grid?: boolean;
  opacity: number;
  backend: string;
}

/** `deit attention`: a picture of what the model looks at. */
export const attentionCommand: Command = {
  command: 'attention <model> <image>',
  describe: 'Draw what the model looks at',
  builder: (yargs) =>
    yargs
      .positional('model', {
        type: 'string',
        demandOption: true,
        describe: 'converted folder, its URL, or a checkpoint',
      })
      .positional('image', { type: 'string', demandOption: true, describe: 'image file; - is stdin' })
      .option('out', { type: 'string', demandOption: true, describe: 'PNG file to write' })
      .option('layer', { type: 'number', describe: 'block, counted from 0; by default the last' })
      .option('head', { type: 'number', describe: 'head, counted from 0; by default the mean of all' })
      .option('token', {
        choices: ['cls', 'dist'] as const,
        default: 'cls' as const,
        describe: 'whose attention: the class or the distillation token',
      })
      .option('rollout', {
        type: 'boolean',
        describe: 'through all blocks and heads (Abnar and Zuidema, arXiv 2005.00928)',
      })
      .option('grid', {
        type: 'boolean',
        describe: 'every head on one sheet: a row a layer, a column a head',
      })
      .conflicts('rollout', ['layer', 'head', 'grid'])
      .conflicts('grid', ['layer', 'head'])
      .option('opacity', {
        type: 'number',
        default: 0.6,
        describe: 'of the colours over the picture, 0 to 1',
      })
      .option('backend', {
        type: 'string',
        default: 'auto',
        describe: 'backend: auto, wasm, tensorflow …',
      })
      .check((args) => checkNumbers(args, { layer: 0, head: 0 }))
      .check(({ opacity }) => {
        if (opacity >= 0 && opacity <= 1) return true;
        throw new UsageError(`--opacity must be from 0 to 1, got ${opacity}`);
      })
      .example(
        '$0 attention deit-tiny/ cat.jpg --out cat.png --layer 11 --head 2',
        'one head of the last block',
      )
      .example('$0 attention deit-tiny/ cat.jpg --out cat.png --rollout', 'the whole model')
      .example('$0 attention deit-tiny/ cat.jpg --out cat.png --grid', 'every head of every block'),
  handler: async (raw) => {
    const args = raw as unknown as Args;
    const image = await readImage(args.image);
    const model = await load(args.model, { backend: args.backend });
    sayAssumptions(model);
    try {
      const stack = await stackOf(model, image);
      await writePng(args.out, draw(seenPart(image, model.preprocessing), stack, args));
    } finally {
      model.dispose();
    }
    print(args.out);
  },
};

async function stackOf(model: VisionTransformer, image: RgbImage): Promise<AttentionStack> {
  const [height, width] = model.preprocessing.crop;
  const x = tf.tensor4d(preprocess(image, model.preprocessing), [1, height, width, 3]);
  try {
    return await attentionStack(model, x);
  } finally {
    x.dispose();
  }
}

function draw(seen: RgbImage, stack: AttentionStack, args: Args): RgbImage {
  const { grid, token, opacity } = args;
  if (grid) return attentionSheet(seen, stack, { token, opacity });
  return overlay(seen, mapFor(stack, args), { opacity });
}

function mapFor(stack: AttentionStack, { layer, head, token, rollout: whole }: Args): PatchMap {
  return whole ? rollout(stack, { token }) : attentionMap(stack, { layer, head, token });
}
