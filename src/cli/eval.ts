import { cpus } from 'node:os';
import type { EvaluationResult } from '../evaluate/index.js';
import { preprocessingFor, presetNames } from '../image/index.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { evaluateFolder } from '../node/evaluateFolder.js';
import { load } from '../node/index.js';
import { openValFolder } from '../node/valFolder.js';
import { type Command, checkNumbers } from './main.js';
import { startProgress } from './progress.js';

interface Args {
  model: string;
  valDir: string;
  preset?: string;
  batchSize: number;
  workers: number;
  backend: string;
  labels?: string;
  predictions?: string;
  strict: boolean;
  json: boolean;
}

/** What `deit eval --json` prints. */
type Report = EvaluationResult & { preset: string; backend: string };

const builder: Command['builder'] = (yargs) =>
  yargs
    .positional('model', {
      type: 'string',
      demandOption: true,
      describe: 'converted folder, its URL, or a checkpoint',
    })
    .positional('val-dir', { type: 'string', demandOption: true, describe: 'class folders of pictures' })
    .option('preset', { choices: presetNames, describe: "preprocessing; by default the model's own" })
    .option('batch-size', { type: 'number', default: 8, describe: 'pictures to a batch' })
    .option('workers', {
      type: 'number',
      default: defaultWorkers(),
      describe: 'threads that decode; 0: none',
    })
    .option('backend', {
      type: 'string',
      default: 'auto',
      describe: 'what computes: auto, wasm, tensorflow …',
    })
    .option('labels', {
      type: 'string',
      describe: 'for pictures that lie flat: file with lines "FILE CLASS"',
    })
    .option('predictions', { type: 'string', describe: 'file to write with one JSON line a picture' })
    .option('strict', {
      type: 'boolean',
      default: false,
      describe: 'stop at the first picture that cannot be read',
    })
    .option('json', { type: 'boolean', default: false, describe: 'print one JSON object' })
    .check((args) => checkNumbers(args, { 'batch-size': 1, workers: 0 }))
    .example('$0 deit-tiny/ imagenet/val', 'top-1, top-5 and loss')
    .example('$0 deit-tiny/ imagenet/val --predictions out.jsonl', 'and what it said of each picture');

/** One core is left to the model. */
function defaultWorkers(): number {
  return Math.max(1, Math.min(8, cpus().length - 1));
}

const evaluateCommand = async (raw: unknown): Promise<void> => {
  const args = raw as Args;
  const model = await load(args.model, {
    backend: args.backend,
    onBackend: ({ description, passedOver }) => {
      for (const line of passedOver) console.error(`backend passed over: ${line}`);
      console.error(`backend: ${description}`);
    },
  });
  try {
    await runEvaluation(model, args);
  } finally {
    model.dispose();
  }
};

async function runEvaluation(model: VisionTransformer, args: Args): Promise<void> {
  const { labels, config } = model;
  const folder = await openValFolder(args.valDir, { numClasses: config.numClasses, labels }, args.labels);
  const preprocessing = args.preset ? preprocessingFor(args.preset, config.imgSize) : model.preprocessing;
  console.error(`${folder.pictures.length} pictures, ${folder.matched}; preset ${preprocessing.preset}`);
  const progress = startProgress({ label: 'eval', total: folder.pictures.length, unit: 'pictures' });
  let result: EvaluationResult;
  try {
    result = await evaluateFolder(model, folder, {
      preprocessing,
      batchSize: args.batchSize,
      workers: args.workers,
      predictions: args.predictions,
      strict: args.strict,
      onProgress: (done) => progress.update(done),
      onFailure: (message) => console.error(`not read: ${message}`),
    });
  } finally {
    progress.stop();
  }
  print({ ...result, preset: preprocessing.preset, backend: model.backend }, args.json);
}

function print(report: Report, json: boolean): void {
  if (json) return void console.log(JSON.stringify(report));
  const { images, top1, top5, loss, failed, imagesPerSecond } = report;
  const figure = (value: number | null, digits: number) => (value === null ? '–' : value.toFixed(digits));
  console.log(
    `top-1 ${figure(top1, 3)} %  top-5 ${figure(top5, 3)} %  loss ${figure(loss, 4)}  ` +
      `(${images} pictures${failed > 0 ? `, ${failed} not read` : ''}; ${imagesPerSecond.toFixed(1)} pictures/s; ` +
      `preset ${report.preset}, ${report.backend})`,
  );
}

/** `deit eval`: accuracy on a folder of labelled pictures. */
export const evalCommand: Command = {
  command: 'eval <model> <val-dir>',
  describe: 'Measure accuracy on a folder of labelled pictures',
  builder,
  handler: evaluateCommand,
};

/** The same as a program of its own, `deit-eval`. */
export const evalProgram: Command = { ...evalCommand, command: '$0 <model> <val-dir>' };
