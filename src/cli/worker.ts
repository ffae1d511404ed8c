import type { ComputeDtype } from '../computeDtype.js';
import { loadAny } from '../models/loadAny.js';
import { requireFolder } from '../node/data/imageFolder.js';
import { modelFingerprint } from '../node/modelFingerprint.js';
import { openAnyModel } from '../node/openModel.js';
import { importOptional } from '../node/optionalPackages.js';
import { shardClassifier } from '../node/shardClassifier.js';
import { sayBackend } from './announceBackend.js';
import { sayAssumptions } from './assumptions.js';
import { defineCommand } from './command.js';
import { hubMessages } from './downloadProgress.js';
import { requireBackend } from './localPredictor.js';
import { backendOption, computedBy, gpuOptions, jsonOption, MAX_WORKERS, workersOption } from './options.js';
import { print, printJson, say } from './print.js';
import { type RedisArgs, redisAddress, redisOptions } from './redis.js';
import { catchInterrupt } from './signals.js';
import { checkNumbers } from './usage.js';

interface Args extends RedisArgs {
  model: string;
  data: string;
  workers: number;
  backend: string;
  device?: string;
  dtype?: ComputeDtype;
  idle?: number;
  json: boolean;
}

async function work(args: Args): Promise<void> {
  const address = await redisAddress(args);
  await requireFolder(args.data);
  await requireBackend(args);
  const opened = await openAnyModel(args.model, {}, hubMessages());
  sayAssumptions(opened.source);
  const { config } = opened.source;
  const fingerprint = await modelFingerprint(opened.source);
  const { backend, device, dtype, workers: threads } = args;
  const options = { backend, device, dtype, threads, onBackend: sayBackend };
  const model = await loadAny(opened.source, options);
  const named = computedBy(model.backend, dtype);
  await opened.close();
  const classifier = shardClassifier(model, args.workers);
  const interruption = catchInterrupt(
    'ending: the shards in work are finished first; once more ends at once, and other workers do them',
  );
  try {
    // The queue's client is large and no other command needs it.
    const { runQueueWorker } = await importOptional(
      'queue',
      '--queue',
      () => import('../node/queue/worker.js'),
    );
    const result = await runQueueWorker({
      address,
      fingerprint,
      dataFolder: args.data,
      classify: classifier.classify,
      backend: named,
      imgSize: config.imgSize,
      // A shard is some batches: another is decoded while one is computed and answers are sent.
      concurrency: 2,
      idleSeconds: args.idle,
      signal: interruption.signal,
      log: say,
    });
    if (args.json) printJson({ ...result, backend: named });
    else print(`${result.images} images in ${result.shards} shards, ${result.failed} not read; ${named}`);
  } finally {
    interruption.release();
    await classifier.close();
    model.dispose();
  }
}

/** `deit worker`: takes part in evaluations that were started with `deit eval --queue`. */
export const workerCommand = defineCommand({
  builder: (yargs) =>
    yargs
      .options(redisOptions('Redis, as redis://HOST:PORT'))
      .option('model', { type: 'string', demandOption: true, describe: 'the model, as `deit eval` takes it' })
      .option('data', {
        type: 'string',
        demandOption: true,
        describe: "this machine's copy of the val folder",
      })
      .options(workersOption('threads of this machine'))
      .options(backendOption)
      .options(gpuOptions)
      .option('idle', {
        type: 'number',
        describe: 'end after so many seconds without work; by default never',
      })
      .options(jsonOption('print one JSON object at the end'))
      .check((args) => checkNumbers(args, { workers: [1, MAX_WORKERS], idle: 1 })),
  examples: [['$0 --queue redis://10.0.0.1 --model deit-tiny/ --data imagenet/val', 'work until Ctrl-C']],
  handler: (args) => work(args),
});
