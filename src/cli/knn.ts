/** The k-NN evaluation of `deit eval --knn`. */
import type { Assumption } from '../../converters/facts.js';
import type { ComputeDtype } from '../computeDtype.js';
import { UserError } from '../errors.js';
import { defaultPool, type EmbeddingPool } from '../models/embedding.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { evaluateKnn, type KnnFolders, type KnnResult, openKnnFolders } from '../node/evaluateKnn.js';
import { load } from '../node/load.js';
import { sayBackend } from './announceBackend.js';
import { assumptionsOf, sayAssumptions } from './assumptions.js';
import { type ConversionArgs, loadArgs } from './conversionOptions.js';
import { hubMessages } from './downloadProgress.js';
import { embedWithProgress } from './embed.js';
import { requireBackend } from './localPredictor.js';
import { computedBy } from './options.js';
import { print, printJson, say } from './print.js';
import { type Progress, startProgress } from './progress.js';
import { checkNumbers, UsageError } from './usage.js';

/** DINO's defaults. */
const K = 20;
const TEMPERATURE = 0.07;

export interface KnnArgs extends ConversionArgs {
  model: string;
  valDir: string;
  knn?: string;
  knnK?: number;
  knnTemperature?: number;
  batchSize: number;
  workers: number;
  threads?: number;
  backend: string;
  device?: string;
  dtype?: ComputeDtype;
  quantize?: 'int8';
  strict: boolean;
  json: boolean;
}

/** What `deit eval --knn --json` prints. */
interface Summary extends KnnResult {
  k: number;
  temperature: number;
  pool: EmbeddingPool;
  imagesPerSecond: number;
  preset: string;
  backend: string;
  assumptions: readonly Assumption[];
}

/** Options of `deit eval` that need the head's classes or another machine's work. */
const WITHOUT = [
  'labels',
  'classes-by-order',
  'predictions',
  'resume',
  'report',
  'queue',
  'redis-password-file',
];

export const knnOptions = {
  knn: {
    type: 'string',
    describe: 'folder of class folders: classify by its nearest images, without a head (DINO)',
  },
  'knn-k': { type: 'number', describe: `with --knn: how many neighbours vote; by default ${K}` },
  'knn-temperature': {
    type: 'number',
    describe: `with --knn: a vote counts exp(similarity / temperature); by default ${TEMPERATURE}`,
  },
} as const;

/** Throws a UsageError for options that do not go together, or are out of range. */
export function checkKnnOptions(args: Record<string, unknown>): true {
  if (args.knn === undefined) {
    const alone = ['knn-k', 'knn-temperature'].find((name) => args[name] !== undefined);
    if (alone) throw new UsageError(`--${alone} is for --knn TRAIN_DIR`);
    return true;
  }
  const other = WITHOUT.find((name) => args[name] !== undefined && args[name] !== false);
  if (other) throw new UsageError(`--${other} and --knn do not go together; use one`);
  const temperature = args['knn-temperature'];
  if (temperature !== undefined && !(Number.isFinite(temperature) && Number(temperature) >= 0.01)) {
    throw new UsageError(`--knn-temperature must be a number of at least 0.01, got ${temperature}`);
  }
  return checkNumbers(args, { 'knn-k': [1, 10_000] });
}

/** Measures the accuracy of a model's features. */
export async function runKnn(args: KnnArgs & { knn: string }): Promise<void> {
  const { knnK: k = K, knnTemperature: temperature = TEMPERATURE } = args;
  const { threads, backend, device, dtype, quantize } = args;
  await requireBackend(args);
  const folders = await openKnnFolders(args.knn, args.valDir);
  const { train, val } = folders;
  say(
    `${val.length} images, ${val.classNames.length} classes; ${train.length} to train, ${train.classNames.length} classes`,
  );
  const chosen = threads === undefined ? {} : { threads };
  const model = await load(args.model, {
    backend,
    device,
    dtype,
    quantize,
    ...chosen,
    onBackend: sayBackend,
    hub: hubMessages(),
    ...loadArgs(args),
  });
  try {
    sayAssumptions(model);
    const pool = defaultPool(model.config);
    const { preset } = model.preprocessing;
    say(`features: ${pool === 'token' ? 'class token' : 'mean of the patch tokens'}; preset ${preset}`);
    const start = performance.now();
    const result = await measure(model, folders, { k, temperature, pool, args });
    const seconds = (performance.now() - start) / 1000;
    show(
      {
        ...result,
        k: Math.min(k, result.trainImages),
        temperature,
        pool,
        imagesPerSecond: (result.images + result.trainImages) / seconds,
        preset,
        backend: computedBy(model.backend, dtype),
        assumptions: assumptionsOf(model),
      },
      args.json,
    );
  } finally {
    model.dispose();
  }
}

/** Embeds the images of both folders and has their neighbours vote, with a progress bar for each. */
async function measure(
  model: VisionTransformer,
  folders: KnnFolders,
  { k, temperature, pool, args }: { k: number; temperature: number; pool: EmbeddingPool; args: KnnArgs },
): Promise<KnnResult> {
  const { batchSize, workers } = args;
  const strict = (message: string) => {
    throw new UserError(`${message}; --strict stops here`);
  };
  const options = {
    preprocessing: model.preprocessing,
    pool,
    batchSize,
    workers,
    ...(args.strict ? { onFailure: strict } : {}),
  };
  let progress: Progress | undefined;
  return await evaluateKnn(model, folders, {
    k,
    temperature,
    embed: (label, images) => embedWithProgress(label, model, images, options),
    onProgress: (fraction) => {
      progress ??= startProgress({ label: 'k-NN', total: 100, unit: '%' });
      progress.update(Math.round(100 * fraction));
    },
  }).finally(() => progress?.stop());
}

function show(summary: Summary, json: boolean): void {
  if (json) return void printJson(summary);
  const { images, top1, top5, failed, k, temperature, trainImages, imagesPerSecond } = summary;
  print(
    `k-NN top-1 ${top1!.toFixed(3)} %  top-5 ${top5!.toFixed(3)} %  (k ${k}, temperature ${temperature}; ` +
      `${images} images against ${trainImages}${failed > 0 ? `, ${failed} not read` : ''}; ` +
      `${imagesPerSecond.toFixed(1)} images/s; preset ${summary.preset}, ${summary.backend})`,
    'strong',
  );
}
