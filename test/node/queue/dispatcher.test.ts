import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Worker } from 'bullmq';
import { preprocessingFor } from '../../../src/image/index.js';
import { fileSource } from '../../../src/node/data/fileDataset.js';
import { parseRedisUrl } from '../../../src/node/queue/connection.js';
import { queueName } from '../../../src/node/queue/names.js';
import { predictOnQueue } from '../../../src/node/queue/predictOnQueue.js';
import { encodeResult, type Shard, type ShardResult } from '../../../src/node/queue/shard.js';
import { hasRedis, RedisServer } from '../../reliability/redis.js';

const FINGERPRINT = '0123456789abcdef'.repeat(4);
const CLASSES = 3;

if (!hasRedis) console.warn('no redis-server: the queue is not tested; apt-get install redis-server');

(hasRedis ? describe : describe.skip)('an evaluation among workers of which some are broken', () => {
  let redis: RedisServer;
  let root: string;
  const files = Array.from({ length: 100 }, (_, i) => `${String(i).padStart(3, '0')}.png`);
  const workers: Worker[] = [];
  let logged: string[] = [];

  beforeAll(async () => {
    redis = await RedisServer.start();
    root = await mkdtemp(join(tmpdir(), 'deit-dispatcher-'));
    await Promise.all(files.map((file) => writeFile(join(root, file), file)));
  });
  afterEach(async () => {
    await Promise.all(workers.splice(0).map((worker) => worker.close(true)));
    logged = [];
  });
  afterAll(async () => {
    await redis?.stop();
    await rm(root, { recursive: true });
  });

  /** A worker of the queue that answers with what `answer` makes of a right answer. */
  async function start(
    name: string,
    answer: (right: ShardResult, shard: Shard) => unknown = (right) => right,
  ) {
    const worker = new Worker(
      queueName(FINGERPRINT),
      async ({ data }: { data: Shard }) => {
        // In a right answer the logits of an image follow from its name.
        const logits = Float32Array.from(data.files.flatMap((file) => [Number.parseInt(file, 10), 1, 2]));
        const indices = data.files.map((_, i) => i);
        return answer(encodeResult([{ logits, indices, failures: [] }], 'wasm', name), data);
      },
      { connection: parseRedisUrl(redis.url).options, name },
    );
    worker.on('error', () => {});
    workers.push(worker);
    await worker.waitUntilReady();
  }

  async function evaluate() {
    const all: number[] = [];
    const batches = predictOnQueue(fileSource(root, files), {
      address: parseRedisUrl(redis.url),
      fingerprint: FINGERPRINT,
      classes: CLASSES,
      preprocessing: preprocessingFor('deit', [224, 224]),
      batchSize: 8,
      heads: false,
      retryMs: 20,
      log: (line) => void logged.push(line),
    });
    for await (const { indices, logits } of batches) {
      for (const [row, index] of Array.from(indices).entries()) all[index] = logits[CLASSES * row]!;
    }
    return all;
  }

  const base64 = (values: number[]) => Buffer.from(Float32Array.from(values).buffer).toString('base64');

  test.each<[string, (right: ShardResult, shard: Shard) => unknown]>([
    ['NaN', (right, { files }) => ({ ...right, logits: base64(files.flatMap(() => [Number.NaN, 1, 2])) })],
    ['Infinity', (right, { files }) => ({ ...right, logits: base64(files.flatMap(() => [0, Infinity, 2])) })],
    ['too few images', (right) => ({ ...right, indices: right.indices.slice(1) })],
    ['the images of another shard', (right) => ({ ...right, indices: right.indices.map((i) => i + 32) })],
    ['nothing', () => null],
    ['a text', () => '\u001b[2J'],
    ['odd objects', () => ({ version: 3, toString: 1, indices: { length: 1e9 }, __proto__: null })],
    ['wrong types', (right) => ({ ...right, logits: { 0: 1 }, heads: 'no', failures: 7 })],
    [
      'a failure of its own',
      () => {
        throw new Error('host:7: out of memory\u001b[2J');
      },
    ],
  ])(
    'one answers with %s: the others do its shards',
    async (_, answer) => {
      await start('broken:1', answer);
      await start('steady:2');
      expect(await evaluate()).toEqual(files.map((_, i) => i));
      expect(logged.length).toBeLessThan(5);
    },
    120_000,
  );

  test('if there are none but broken ones it ends in a line that names one and what is wrong', async () => {
    await start('broken:1', (right, { files }) => ({
      ...right,
      logits: base64(files.flatMap(() => [1, 2, Number.NaN])),
    }));
    await expect(evaluate()).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(
        /^000\.png and 31 more failed on [56] tries, at last: broken:1: a worker's answer is not usable: 000\.png has the logit NaN; restart that worker/,
      ),
    });
    expect(logged.join()).toMatch(
      /broken:1: a worker's answer is not usable: .*; its shards go to other workers/,
    );
  }, 120_000);
});
