import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { DeviceLost } from '../../../src/deviceLost.js';
import type { PredictedBatch } from '../../../src/evaluate/index.js';
import { preprocessingFor } from '../../../src/image/index.js';
import { parseRedisUrl } from '../../../src/node/queue/connection.js';
import { fileContents } from '../../../src/node/queue/fileContents.js';
import { queueName, runKey } from '../../../src/node/queue/names.js';
import { SHARD_VERSION, type Shard } from '../../../src/node/queue/shard.js';
import { runQueueWorker } from '../../../src/node/queue/worker.js';
import type { ClassifyJob } from '../../../src/node/shardClassifier.js';
import { hasRedis, RedisServer } from '../../reliability/redis.js';
import { until } from '../../reliability/until.js';

if (!hasRedis) console.warn('no redis-server: the worker is not tested; apt-get install redis-server');

(hasRedis ? describe : describe.skip)('a worker that cannot do its work', () => {
  let redis: RedisServer;
  let root: string;
  let shard: Shard;
  let client: Redis;
  beforeAll(async () => {
    redis = await RedisServer.start();
    root = await mkdtemp(join(tmpdir(), 'deit-worker-'));
    const file = join(root, 'a.png');
    await writeFile(file, 'no matter what');
    shard = {
      version: SHARD_VERSION,
      run: 'this-run',
      model: '',
      preprocessing: preprocessingFor('deit', [224, 224]),
      batchSize: 8,
      heads: false,
      files: ['a.png'],
      contents: [await fileContents(file)],
    };
    client = new Redis(parseRedisUrl(redis.url).options);
    await client.set(runKey(shard.run), 1);
  });
  afterAll(async () => {
    client.disconnect();
    await redis.stop();
    await rm(root, { recursive: true });
  });

  /** Puts ten shards into a queue and has a worker do them until `enough`; tells how many failed and what it did. */
  async function run(
    fingerprint: string,
    classify: (job: ClassifyJob) => Promise<PredictedBatch[]>,
    enough: (queue: Queue) => Promise<unknown>,
  ) {
    const { options: connection } = parseRedisUrl(redis.url);
    const queue = new Queue(queueName(fingerprint), { connection });
    for (let i = 0; i < 10; i++) await queue.add('shard', { ...shard, model: fingerprint });
    const stop = new AbortController();
    const lines: string[] = [];
    const worker = runQueueWorker({
      address: parseRedisUrl(redis.url),
      fingerprint,
      dataFolder: root,
      classify,
      backend: 'wasm',
      imgSize: [224, 224],
      concurrency: 1,
      signal: stop.signal,
      log: (line) => void lines.push(line),
    });
    try {
      await Promise.race([enough(queue), worker]);
      stop.abort();
      const result = await worker;
      const failed = await queue.getFailed();
      return { failed: failed.map(({ failedReason }) => failedReason), result, lines };
    } finally {
      await queue.close();
    }
  }

  test('leaves the shards to others: after each failure it takes none for longer', async () => {
    const broken = () => Promise.reject(new Error('out of memory'));
    const { failed, result } = await run('a'.repeat(64), broken, () => sleep(5_000));
    // At once, after 1 s and after 3 s; the next would be after 7 s.
    expect(failed.length).toBeGreaterThanOrEqual(1);
    expect(failed.length).toBeLessThanOrEqual(3);
    expect(failed[0]).toMatch(/^\S+:\d+: out of memory$/);
    expect(result.shards).toBe(0);
  }, 60_000);

  test('ends where its GPU is lost, and leaves the shards to others', async () => {
    const lost = () => Promise.reject(new DeviceLost('the webgpu backend lost its GPU', ', and more'));
    const ending = run('e'.repeat(64), lost, () => new Promise(() => {}));
    await expect(ending).rejects.toThrow('the webgpu backend lost its GPU, and more');
  }, 60_000);

  test('does not answer with logits that are not finite, and names the image', async () => {
    const nan = async () => [{ logits: Float32Array.of(1, Number.NaN), indices: [0], failures: [] }];
    const someFailed = (queue: Queue) =>
      until(
        async () => (await queue.getFailedCount()) > 0,
        () => 'none failed',
      );
    const { failed } = await run('b'.repeat(64), nan, someFailed);
    expect(failed[0]).toMatch(/: a\.png: the model's logit is NaN on wasm$/);
  }, 60_000);

  test('that can, does them all', async () => {
    const right = async () => [{ logits: Float32Array.of(1, 2), indices: [0], failures: [] }];
    const allDone = (queue: Queue) =>
      until(
        async () => (await queue.getCompletedCount()) === 10,
        () => 'not all done',
      );
    const { failed, result } = await run('c'.repeat(64), right, allDone);
    expect({ failed, result }).toEqual({ failed: [], result: { shards: 10, images: 10, failed: 0 } });
  }, 60_000);
});
