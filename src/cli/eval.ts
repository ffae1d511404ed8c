import type { Argv } from 'yargs';
import { UserError } from '../errors.js';
import type { EvaluationResult } from '../evaluate/index.js';
import type { EvaluationRecord } from '../evaluate/report/record.js';
import { preprocessingFromOptions } from '../image/fromOptions.js';
import type { Preprocessing } from '../image/types.js';
import { backendFor, loadFrom, type ModelSource } from '../models/load.js';
import type { Regnet } from '../models/regnet.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { evaluateFolder, type Scorer } from '../node/evaluateFolder.js';
import { modelFingerprint } from '../node/modelFingerprint.js';
import { openModel } from '../node/openModel.js';
import { openRegnet } from '../node/openRegnet.js';
import { openValFolder, type ValFolder } from '../node/valFolder.js';
import { type Command, checkNumbers, UsageError } from './main.js';
import { type PreprocessingArgs, preprocessingArgs, preprocessingOptions } from './preprocessingOptions.js';
import { startProgress } from './progress.js';
import { chooseBackend, defaultWorkers, scoreThreads } from './threads.js';

interface Args extends PreprocessingArgs {
  model: string;
  valDir: string;
  batchSize: number;
  workers: number;
  backend: string;
  quantize?: 'int8';
  labels?: string;
  predictions?: string;
  resume: boolean;
  queue?: string;
  report?: string;
  strict: boolean;
  json: boolean;
}

/** A scorer whose model, if it is in this thread, is a vision transformer. */
type VitScorer =
  | Exclude<Scorer, { model: unknown }>
  | { readonly model: VisionTransformer; readonly decodeThreads: number };

/** What `deit eval --json` prints. */
type Summary = EvaluationResult & { preset: string; backend: string };

const builder = (program: string) => (yargs: Argv) =>
  yargs
    .positional('model', {
      type: 'string',
      demandOption: true,
      describe: "converted folder, its URL, or a checkpoint (a RegNet teacher's too)",
    })
    .positional('val-dir', { type: 'string', demandOption: true, describe: 'class folders of pictures' })
    .options(preprocessingOptions)
    .option('batch-size', { type: 'number', default: 8, describe: 'pictures to a batch' })
    .option('workers', {
      type: 'number',
      default: defaultWorkers(),
      describe: 'threads of this machine; 0: none',
    })
    .option('backend', {
      type: 'string',
      default: 'auto',
      describe: 'what computes: auto, wasm, tensorflow …',
    })
    .option('quantize', { choices: ['int8'], describe: '8-bit weights and activations (wasm)' })
    .option('labels', {
      type: 'string',
      describe: 'for pictures that lie flat: file with lines "FILE CLASS"',
    })
    .option('predictions', { type: 'string', describe: 'file to write with one JSON line a picture' })
    .option('resume', {
      type: 'boolean',
      default: false,
      describe: 'go on where a run was cut off: keep what --predictions holds',
    })
    .option('queue', {
      type: 'string',
      describe: 'Redis, as redis://HOST:PORT: the work is done by `deit worker` on any machines',
    })
    .option('report', {
      type: 'string',
      describe: 'HTML file to write: calibration, classes, worst mistakes',
    })
    .option('strict', {
      type: 'boolean',
      default: false,
      describe: 'stop at the first picture that cannot be read',
    })
    .option('json', { type: 'boolean', default: false, describe: 'print one JSON object' })
    .check((args) => {
      if (args.resume && !args.predictions) throw new UsageError('--resume needs --predictions FILE');
      if (args.resume && args.report !== undefined)
        throw new UsageError(
          '--report shows a whole run, and --resume only classifies what is left; use one',
        );
      if (args.queue && args.quantize)
        throw new UsageError('with --queue the model is quantized beforehand: deit-convert --quantize int8');
      return checkNumbers(args, { 'batch-size': 1, workers: 0 });
    })
    .example(`${program} deit-tiny/ imagenet/val`, 'top-1, top-5 and loss')
    .example(`${program} deit-tiny/ imagenet/val --predictions out.jsonl`, 'and what it said of each picture')
    .example(`${program} deit-tiny/ imagenet/val --predictions out.jsonl --resume`, 'go on after a crash')
    .example(
      `${program} deit-tiny/ imagenet/val --queue redis://10.0.0.1`,
      'on every machine that runs `deit worker`',
    )
    .example(`${program} deit-tiny/ imagenet/val --report report.html`, 'and where it goes wrong');

async function runEvaluation(args: Args): Promise<Summary> {
  const report = args.report === undefined ? undefined : await startReport(args.report);
  const backends = new Set<string>();
  if (!args.queue) backends.add(await chooseBackend(backendFor(args)));
  const regnet = args.queue || report ? undefined : await openRegnet(args.model);
  if (regnet) return evaluateRegnet(regnet, args, [...backends][0]);
  const opened = await openModel(args.model, { preprocessing: preprocessingArgs(args) });
  try {
    const { config, labels, preprocessing: own } = opened.source;
    const folder = await openValFolder(args.valDir, { numClasses: config.numClasses, labels }, args.labels);
    const preprocessing = preprocessingFromOptions(own, config.imgSize, preprocessingArgs(args));
    console.error(`${folder.pictures.length} pictures, ${folder.matched}; preset ${preprocessing.preset}`);
    const scorer = args.queue
      ? await queueScorer(opened.source, args.queue, backends)
      : await chooseScorer(opened.source, [...backends][0], args);
    let model = 'model' in scorer ? scorer.model : undefined;
    try {
      const result = await evaluateWithProgress(scorer, folder, preprocessing, args, report?.record);
      const summary = { ...result, preset: preprocessing.preset, backend: [...backends].join(', ') };
      if (report) {
        model ??= await loadFrom(opened.source, args);
        await report.write({ name: args.model, model, folder, preprocessing, summary });
        console.error(`report: ${args.report}`);
      }
      return summary;
    } finally {
      model?.dispose();
    }
  } finally {
    await opened.close();
  }
}

/** A teacher's accuracy, in this thread. */
async function evaluateRegnet(regnet: Regnet, args: Args, backend: string): Promise<Summary> {
  try {
    if (args.quantize) throw new UserError(`${args.model}: --quantize is for ViT and DeiT, not for RegNet`);
    const { config, labels } = regnet;
    const folder = await openValFolder(args.valDir, { numClasses: config.numClasses, labels }, args.labels);
    const preprocessing = preprocessingFromOptions(
      regnet.preprocessing,
      config.imgSize,
      preprocessingArgs(args),
    );
    console.error(`${folder.pictures.length} pictures, ${folder.matched}; preset ${preprocessing.preset}`);
    const scorer = { model: regnet, decodeThreads: args.workers };
    const result = await evaluateWithProgress(scorer, folder, preprocessing, args, undefined);
    return { ...result, preset: preprocessing.preset, backend };
  } finally {
    regnet.dispose();
  }
}

async function queueScorer(source: ModelSource, url: string, backends: Set<string>): Promise<VitScorer> {
  return {
    queue: {
      url,
      fingerprint: await modelFingerprint(source),
      classes: source.config.numClasses || source.config.embedDim,
      signal: interruption(),
      log: (line) => console.error(line),
      onBackend: (backend) => backends.add(backend),
    },
  };
}

/** The report's plots are a large library, which only this option loads. */
async function startReport(path: string) {
  return (await import('../node/report.js')).startReport(path);
}

async function chooseScorer(source: ModelSource, backend: string, args: Args): Promise<VitScorer> {
  const threads = scoreThreads(source.config, backend, args.workers);
  if (threads > 1) return { modelPath: args.model, quantize: args.quantize, threads };
  return { model: await loadFrom(source, { backend, quantize: args.quantize }), decodeThreads: args.workers };
}

/** Aborts at the first Ctrl-C or SIGTERM; the second one ends the process as ever. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  const abort = () => controller.abort();
  process.once('SIGINT', abort).once('SIGTERM', abort);
  return controller.signal;
}

async function evaluateWithProgress(
  scorer: Scorer,
  folder: ValFolder,
  preprocessing: Preprocessing,
  args: Args,
  report: EvaluationRecord | undefined,
): Promise<EvaluationResult> {
  const progress = startProgress({ label: 'eval', total: folder.pictures.length, unit: 'pictures' });
  try {
    return await evaluateFolder(scorer, folder, {
      preprocessing,
      batchSize: args.batchSize,
      predictions: args.predictions,
      resume: args.resume,
      report,
      strict: args.strict,
      onProgress: (done) => progress.update(done),
      onFailure: (message) => console.error(`not read: ${message}`),
    });
  } finally {
    progress.stop();
  }
}

function print(summary: Summary, json: boolean): void {
  if (json) return void console.log(JSON.stringify(summary));
  const { images, top1, top5, loss, failed, imagesPerSecond } = summary;
  const figure = (value: number | null, digits: number) => (value === null ? '–' : value.toFixed(digits));
  console.log(
    `top-1 ${figure(top1, 3)} %  top-5 ${figure(top5, 3)} %  loss ${figure(loss, 4)}  ` +
      `(${images} pictures${failed > 0 ? `, ${failed} not read` : ''}; ${imagesPerSecond.toFixed(1)} pictures/s; ` +
      `preset ${summary.preset}, ${summary.backend})`,
  );
}

/** `deit eval`: accuracy on a folder of labelled pictures. */
export const evalCommand: Command = {
  command: 'eval <model> <val-dir>',
  describe: 'Measure accuracy on a folder of labelled pictures',
  builder: builder('$0 eval'),
  handler: async (raw) => {
    const args = raw as unknown as Args;
    const summary = await runEvaluation(args);
    print(summary, args.json);
    if (summary.images === 0) {
      throw new UserError(`${args.valDir}: none of its ${summary.failed} pictures could be read`);
    }
  },
};

/** The same as a program of its own, `deit-eval`. */
export const evalProgram: Command = {
  ...evalCommand,
  command: '$0 <model> <val-dir>',
  builder: builder('$0'),
};
