/**
 * What the queue costs: an evaluation whose workers answer at once, so that only Redis and the evaluation itself work.
 *
 *     npm run build && node bench/queue.mjs [IMAGES] [CLASSES]       # needs Debian's redis-server
 *
 * Prints images a second, and for each image the processor time of the evaluation, of Redis and of a worker.
 */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { isMainThread, Worker as Thread, workerData } from 'node:worker_threads';
import { Worker } from 'bullmq';
import { preprocessingFor } from '../dist/src/image/index.js';
import { fileSource } from '../dist/src/node/data/fileDataset.js';
import { parseRedisUrl } from '../dist/src/node/queue/connection.js';
import { queueName } from '../dist/src/node/queue/names.js';
import { predictOnQueue } from '../dist/src/node/queue/predictOnQueue.js';
import { encodeResult, requireShard } from '../dist/src/node/queue/shard.js';
import { RedisServer } from '../dist/test/reliability/redis.js';

const FINGERPRINT = '0'.repeat(64);

/** A worker that knows every answer. */
function answer({ url, classes }) {
  const worker = new Worker(
    queueName(FINGERPRINT),
    async (job) => {
      const { files } = requireShard(job.data);
      const logits = new Float32Array(files.length * classes).map((_, i) => Math.sin(i));
      return encodeResult([{ logits, indices: files.map((_, i) => i), failures: [] }], 'none', 'bench:1');
    },
    { connection: parseRedisUrl(url).options, concurrency: 4 },
  );
  worker.on('error', () => {});
}

/** Processor seconds of a process so far (Linux). */
function cpuSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

async function main() {
  const count = Number(process.argv[2] ?? 20_000);
  const classes = Number(process.argv[3] ?? 1000);
  const redis = await RedisServer.start();
  const thread = new Thread(fileURLToPath(import.meta.url), { workerData: { url: redis.url, classes } });
  const files = Array.from(
    { length: count },
    (_, i) => `n01440764/ILSVRC2012_val_${String(i).padStart(8, '0')}.JPEG`,
  );
  // No such files: what reading and hashing them costs is the disk's, not the queue's.
  const root = tmpdir();
  const options = {
    address: parseRedisUrl(redis.url),
    fingerprint: FINGERPRINT,
    classes,
    preprocessing: preprocessingFor('deit', [224, 224]),
    batchSize: 8,
    heads: false,
    log: () => {},
  };
  const before = { redis: cpuSeconds(redis.pid), own: process.cpuUsage() };
  const begin = performance.now();
  let seen = 0;
  for await (const { indices } of predictOnQueue(fileSource(root, files), options)) seen += indices.length;
  const seconds = (performance.now() - begin) / 1000;
  const redisSeconds = cpuSeconds(redis.pid) - before.redis;
  const { user, system } = process.cpuUsage(before.own);
  await thread.terminate();
  await redis.stop();
  const each = (total) => `${((1e6 * total) / count).toFixed(0)} µs`;
  console.log(`${seen} images of ${classes} classes, ${(seen / seconds).toFixed(0)} images/s`);
  console.log(
    `an image: Redis ${each(redisSeconds)}, evaluation and worker together ${each((user + system) / 1e6)}`,
  );
}

if (isMainThread) await main();
else answer(workerData);
