import type { Prediction } from '../models/classify.js';
import { load } from '../node/index.js';
import { type Command, checkNumbers } from './main.js';
import { formatTable } from './table.js';

interface Args {
  model: string;
  images: string[];
  topK: number;
  backend: string;
  quantize?: 'int8';
  json: boolean;
}

/** `deit predict`: the most probable classes of some pictures. */
export const predictCommand: Command = {
  command: 'predict <model> <images...>',
  describe: 'Classify pictures',
  builder: (yargs) =>
    yargs
      .positional('model', {
        type: 'string',
        demandOption: true,
        describe: 'converted folder, its URL, or a checkpoint',
      })
      .positional('images', { type: 'string', array: true, demandOption: true, describe: 'picture files' })
      .option('top-k', { type: 'number', default: 5, describe: 'how many classes to name' })
      .option('backend', {
        type: 'string',
        default: 'auto',
        describe: 'what computes: auto, wasm, tensorflow …',
      })
      .option('quantize', { choices: ['int8'], describe: '8-bit weights and activations (wasm)' })
      .option('json', { type: 'boolean', default: false, describe: 'print one JSON array' })
      .check((args) => checkNumbers(args, { 'top-k': 1 }))
      .example('$0 predict deit-tiny/ cat.jpg', 'the five most probable classes'),
  handler: async (raw) => {
    const args = raw as unknown as Args;
    const { backend, quantize } = args;
    const model = await load(args.model, { backend, quantize });
    const results: { file: string; topK: Prediction[] }[] = [];
    try {
      for (const file of args.images) {
        const topK = await model.classify(file, { topK: args.topK });
        results.push({ file, topK });
        if (!args.json) print(file, topK);
      }
    } finally {
      model.dispose();
    }
    if (args.json) console.log(JSON.stringify(results));
  },
};

function print(file: string, topK: Prediction[]): void {
  const rows = topK.map(({ label, index, probability, logit }) => [
    `${(100 * probability).toFixed(2)} %`,
    label,
    String(index),
    logit.toFixed(3),
  ]);
  console.log(`${file}\n${formatTable(['probability', 'class', 'index', 'logit'], rows)}\n`);
}
