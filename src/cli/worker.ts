import { loadFrom } from '../models/load.js';
import { batchScorer } from '../node/batchScorer.js';
import { modelFingerprint } from '../node/modelFingerprint.js';
import { openModel } from '../node/openModel.js';
import { startScorePool } from '../node/scorePool.js';
import { type Command, checkNumbers } from './main.js';
import { chooseBackend, defaultWorkers, scoreThreads } from './threads.js';

interface Args {
  queue: string;
  model: string;
  data: string;
  workers: number;
  backend: string;
  idle?: number;
  json: boolean;
}

const builder: Command['builder'] = (yargs) =>
  yargs
    .option('queue', { type: 'string', demandOption: true, describe: 'Redis, as redis://HOST:PORT' })
    .option('model', { type: 'string', demandOption: true, describe: 'the model, as `deit eval` takes it' })
    .option('data', { type: 'string', demandOption: true, describe: "this machine's copy of the val folder" })
    .option('workers', { type: 'number', default: defaultWorkers(), describe: 'threads of this machine' })
    .option('backend', {
      type: 'string',
      default: 'auto',
      describe: 'what computes: auto, wasm, tensorflow …',
    })
    .option('idle', { type: 'number', describe: 'end after so many seconds without work; by default never' })
    .option('json', { type: 'boolean', default: false, describe: 'print one JSON object at the end' })
    .check((args) => checkNumbers(args, { workers: 1, idle: 1 }))
    .example('$0 --queue redis://10.0.0.1 --model deit-tiny/ --data imagenet/val', 'work until Ctrl-C');

async function work(args: Args): Promise<void> {
  const backend = await chooseBackend(args.backend);
  const opened = await openModel(args.model);
  const { config } = opened.source;
  const fingerprint = await modelFingerprint(opened.source);
  const threads = scoreThreads(config, backend, args.workers);
  const pool = threads > 1 ? startScorePool({ model: args.model }, threads) : undefined;
  const model = pool ? undefined : await loadFrom(opened.source, { backend });
  await opened.close();
  const stop = new AbortController();
  const end = () => {
    console.error('ending: the shards in work are finished first');
    stop.abort();
  };
  process.once('SIGINT', end).once('SIGTERM', end);
  try {
    // The queue's client is large and no other command needs it.
    const { runQueueWorker } = await import('../node/queue/worker.js');
    const result = await runQueueWorker({
      url: args.queue,
      fingerprint,
      dataFolder: args.data,
      score: pool ? pool.run : batchScorer(model!, 0),
      backend,
      imgSize: config.imgSize,
      // A shard is some batches: this many keep every thread busy while answers are sent.
      concurrency: 2 + Math.ceil(threads / 4),
      idleSeconds: args.idle,
      signal: stop.signal,
      log: (line) => console.error(line),
    });
    if (args.json) console.log(JSON.stringify({ ...result, backend }));
    else
      console.log(
        `${result.images} pictures in ${result.shards} shards, ${result.failed} not read; ${backend}`,
      );
  } finally {
    await pool?.close();
    model?.dispose();
  }
}

/** `deit worker`: takes part in evaluations that were started with `deit eval --queue`. */
export const workerCommand: Command = {
  command: 'worker',
  describe: 'Take part in evaluations on many machines (deit eval --queue)',
  builder,
  handler: (raw) => work(raw as unknown as Args),
};
