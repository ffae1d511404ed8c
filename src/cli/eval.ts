import type { Assumption } from '../../converters/facts.js';
import type { ComputeDtype } from '../computeDtype.js';
import { UserError } from '../errors.js';
import type { Classes, EvaluationResult } from '../evaluate/index.js';
import type { EvaluationRecord } from '../evaluate/report/record.js';
import { preprocessingFromOptions } from '../image/fromOptions.js';
import type { Preprocessing } from '../image/types.js';
import { checkRgb } from '../models/classify.js';
import { type FamilySource, requireVit } from '../models/familySource.js';
import { loadFrom } from '../models/load.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { checkOutput } from '../node/checkOutput.js';
import { type ImageFolder, openImageFolder, requireFolder } from '../node/data/imageFolder.js';
import { evaluateFolder, type Predictor } from '../node/evaluateFolder.js';
import { modelFingerprint } from '../node/modelFingerprint.js';
import { openAnyModel } from '../node/openModel.js';
import { importOptional } from '../node/optionalPackages.js';
import type { RedisAddress } from '../node/queue/connection.js';
import { checkReadable } from '../node/readLines.js';
import type { Evaluated, EvaluationReport } from '../node/report.js';
import { assumptionsOf, sayAssumptions } from './assumptions.js';
import { defineCommand } from './command.js';
import {
  CONVERSION_NUMBERS,
  type ConversionArgs,
  checkpointOptions,
  conversionArgs,
} from './conversionOptions.js';
import { hubMessages } from './downloadProgress.js';
import { checkKnnOptions, type KnnArgs, knnOptions, runKnn } from './knn.js';
import { type LocalPredictor, localPredictor, requireBackend } from './localPredictor.js';
import {
  BATCH_NUMBERS,
  backendOption,
  batchSizeOption,
  computedBy,
  gpuOptions,
  jsonOption,
  MAX_WORKERS,
  modelPositional,
  quantizeOption,
  workersOption,
} from './options.js';
import { preprocessingArgs } from './preprocessingOptions.js';
import { print, printJson, say } from './print.js';
import { type Progress, startProgress } from './progress.js';
import { type RedisArgs, redisAddress, redisOptions } from './redis.js';
import { catchInterrupt, type Interruption } from './signals.js';
import { checkNumbers, UsageError } from './usage.js';

interface Args extends RedisArgs, ConversionArgs, KnnArgs {
  model: string;
  valDir: string;
  batchSize: number;
  workers: number;
  threads?: number;
  backend: string;
  device?: string;
  dtype?: ComputeDtype;
  quantize?: 'int8';
  labels?: string;
  predictions?: string;
  resume: boolean;
  classesByOrder: boolean;
  report?: string;
  strict: boolean;
  json: boolean;
}

/** What `deit eval --json` prints. */
type Summary = EvaluationResult & { preset: string; backend: string; assumptions: readonly Assumption[] };

async function runEvaluation(args: Args): Promise<Summary> {
  const report = args.report === undefined ? undefined : await startReport(args.report);
  await checkFiles(args);
  const queue = args.queue === undefined ? undefined : await redisAddress(args);
  const backends = new Set<string>();
  const byQueue = queue !== undefined;
  if (!byQueue) await requireBackend(args);
  const opened = await openAnyModel(args.model, conversionArgs(args), hubMessages());
  try {
    const { config, labels, preprocessing: own } = opened.source;
    checkRgb(config);
    if (report) requireVit(opened.source, args.model, '--report');
    const folder = await openLabelled(args, { numClasses: config.numClasses, labels });
    const preprocessing = preprocessingFromOptions(own, config.imgSize, preprocessingArgs(args));
    sayAssumptions(opened.source);
    announce(folder, preprocessing);
    const interruption = byQueue ? catchInterrupt('ending: what is outstanding is taken back') : undefined;
    const local = interruption ? undefined : await localPredictor(opened.source, backends, args);
    const predictor = local ?? (await queuePredictor(opened.source, queue!, backends, interruption!));
    try {
      const result = await evaluateWithProgress(predictor, folder, preprocessing, args, report?.record);
      const summary = {
        ...result,
        preset: preprocessing.preset,
        backend: [...backends].map((name) => (byQueue ? name : computedBy(name, args.dtype))).join(', '),
        assumptions: assumptionsOf(opened.source),
      };
      if (report) await writeReport(report, opened.source, local, { args, folder, preprocessing, summary });
      return summary;
    } finally {
      local?.dispose();
      interruption?.release();
    }
  } finally {
    await opened.close();
  }
}

/** What is wrong with the files of a command line is told before a model is loaded, which may take minutes. */
async function checkFiles({ model, valDir, labels, predictions, report }: Args): Promise<void> {
  await requireFolder(valDir);
  if (labels !== undefined) await checkReadable(labels);
  const inputs = [model, ...(labels === undefined ? [] : [labels])];
  if (predictions !== undefined) await checkOutput(predictions, inputs);
  if (report !== undefined)
    await checkOutput(report, predictions === undefined ? inputs : [...inputs, predictions]);
}

/** The images of the val folder with their classes. */
function openLabelled(args: Args, classes: Classes): Promise<ImageFolder> {
  if (classes.numClasses === 0) {
    throw new UserError(`${args.model}: has no head that classifies, so it has no accuracy`);
  }
  return openImageFolder(args.valDir, classes, { labelsFile: args.labels, byOrder: args.classesByOrder });
}

function announce({ length, matched, notes }: ImageFolder, { preset }: Preprocessing): void {
  for (const note of notes) say(note);
  say(`${length} images, ${matched}; preset ${preset}`);
}

async function queuePredictor(
  source: FamilySource,
  address: RedisAddress,
  backends: Set<string>,
  { signal }: Interruption,
): Promise<Predictor> {
  return {
    queue: {
      address,
      fingerprint: await modelFingerprint(source),
      classes: source.config.numClasses,
      signal,
      log: say,
      onBackend: (backend) => backends.add(backend),
    },
  };
}

/** The report's plots are a large library, which only this option loads. */
async function startReport(path: string) {
  return (await importOptional('drawing', '--report', () => import('../node/report.js'))).startReport(path);
}

/**
 * The report shows attention, which vision transformers have.
 *
 * @param local what computed the evaluation, unless a queue did
 */
async function writeReport(
  report: EvaluationReport,
  source: FamilySource,
  local: LocalPredictor | undefined,
  evaluated: Pick<Evaluated, 'folder' | 'preprocessing' | 'summary'> & { readonly args: Args },
): Promise<void> {
  const { args, ...rest } = evaluated;
  const vit = requireVit(source, args.model);
  const model = local
    ? (local.model as VisionTransformer)
    : await loadFrom(vit, { backend: args.backend, threads: args.threads });
  try {
    await report.write({ name: args.model, model, ...rest });
  } finally {
    if (!local) model.dispose();
  }
  say(`report: ${args.report}`);
}

async function evaluateWithProgress(
  predictor: Predictor,
  folder: ImageFolder,
  preprocessing: Preprocessing,
  args: Args,
  report: EvaluationRecord | undefined,
): Promise<EvaluationResult> {
  let progress: Progress | undefined;
  try {
    return await evaluateFolder(predictor, folder, {
      preprocessing,
      batchSize: args.batchSize,
      predictions: args.predictions,
      resume: args.resume,
      report,
      strict: args.strict,
      onStart: (from) => {
        progress = startProgress({ label: 'eval', total: folder.length, unit: 'images', from });
      },
      onProgress: (done) => progress?.update(done),
      onFailure: (message) => say(`not read: ${message}`, 'warning'),
      onNote: say,
    });
  } finally {
    progress?.stop();
  }
}

function show(summary: Summary, json: boolean): void {
  if (json) return void printJson(summary);
  const { images, top1, top5, loss, failed, imagesPerSecond } = summary;
  const figure = (value: number | null, digits: number) => (value === null ? '–' : value.toFixed(digits));
  print(
    `top-1 ${figure(top1, 3)} %  top-5 ${figure(top5, 3)} %  loss ${figure(loss, 4)}  ` +
      `(${images} images${failed > 0 ? `, ${failed} not read` : ''}; ${imagesPerSecond.toFixed(1)} images/s; ` +
      `preset ${summary.preset}, ${summary.backend})`,
    'strong',
  );
}

/** Throws a UsageError for options that do not go together. */
function checkTogether(args: Record<string, unknown>): true {
  if (args.resume && !args.predictions) throw new UsageError('--resume needs --predictions FILE');
  if (args.resume && args.report !== undefined) {
    throw new UsageError('--report shows a whole run, and --resume only classifies what is left; use one');
  }
  if (args.labels !== undefined && args.classesByOrder) {
    throw new UsageError(
      '--labels names the classes of images in one folder, --classes-by-order those of folders; use one',
    );
  }
  if (args.queue === undefined && args.redisPasswordFile !== undefined) {
    throw new UsageError('--redis-password-file is for --queue');
  }
  if (args.queue !== undefined && args.threads !== undefined) {
    throw new UsageError('with --queue `deit worker` computes: --threads is not for it');
  }
  for (const option of ['device', 'dtype']) {
    if (args.queue !== undefined && args[option] !== undefined) {
      throw new UsageError(`with --queue \`deit worker\` computes: --${option} is for it`);
    }
  }
  if (args.queue !== undefined && args.quantize) {
    throw new UsageError('with --queue the model is quantized beforehand: deit-convert --quantize int8');
  }
  return true;
}

/** `deit eval`: accuracy on a folder of labelled images. */
export const evalCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .options(redisOptions('Redis, as redis://HOST:PORT: the work is done by `deit worker` on any machines'))
      .options(knnOptions)
      .positional('model', {
        ...modelPositional,
        describe: "converted folder, its URL, or a checkpoint (a RegNet teacher's too)",
      })
      .positional('val-dir', { type: 'string', demandOption: true, describe: 'class folders of images' })
      .options(checkpointOptions)
      .options(batchSizeOption)
      .options(workersOption('threads that decode; 0: none'))
      .option('threads', {
        type: 'number',
        describe: 'threads that compute, on wasm; by default as many as decode',
      })
      .options(backendOption)
      .options(gpuOptions)
      .options(quantizeOption)
      .option('labels', {
        type: 'string',
        describe: 'for images in one folder: file with lines "FILE CLASS", or ImageNet\'s own',
      })
      .option('classes-by-order', {
        type: 'boolean',
        default: false,
        describe: "the sorted class folders are the model's classes, whatever their names",
      })
      .option('predictions', { type: 'string', describe: 'file to write with one JSON line an image' })
      .option('resume', {
        type: 'boolean',
        default: false,
        describe: 'go on where a run was cut off: keep what --predictions holds',
      })
      .option('report', {
        type: 'string',
        describe: 'HTML file to write: calibration, classes, worst mistakes',
      })
      .option('strict', {
        type: 'boolean',
        default: false,
        describe: 'stop at the first image that cannot be read',
      })
      .options(jsonOption())
      .check(checkKnnOptions)
      .check(checkTogether)
      .check((args) =>
        checkNumbers(args, {
          ...BATCH_NUMBERS,
          workers: [0, MAX_WORKERS],
          threads: [1, MAX_WORKERS],
          ...CONVERSION_NUMBERS,
        }),
      ),
  examples: [
    ['$0 deit-tiny/ imagenet/val', 'top-1, top-5 and loss'],
    ['$0 deit-tiny/ imagenet/val --predictions out.jsonl', 'and what it said of each image'],
    ['$0 deit-tiny/ imagenet/val --predictions out.jsonl --resume', 'go on after a crash'],
    ['$0 deit-tiny/ imagenet/val --queue redis://10.0.0.1', 'on every machine that runs `deit worker`'],
    ['$0 deit-tiny/ imagenet/val --report report.html', 'and where it goes wrong'],
    ['$0 dino-small/ imagenet/val --knn imagenet/train', 'of a backbone without a head'],
  ],
  handler: async (args) => {
    const { knn } = args;
    if (knn !== undefined) return runKnn({ ...args, knn });
    const summary = await runEvaluation(args);
    show(summary, args.json);
    if (summary.images === 0) {
      throw new UserError(`${args.valDir}: none of its ${summary.failed} images could be read`);
    }
  },
});
