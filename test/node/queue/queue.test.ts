import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Queue } from 'bullmq';
import { parseRedisUrl } from '../../../src/node/queue/connection.js';
import { deitJson, type Running, startDeit } from '../../reliability/deit.js';
import { hasRedis, RedisServer } from '../../reliability/redis.js';
import { until } from '../../reliability/until.js';

const model = 'examples/digits/deit_digits_distilled.pth';
const val = 'examples/digits/val';

if (!hasRedis) console.warn("no redis-server: the queue's tests are skipped; apt-get install redis-server");

(hasRedis ? describe : describe.skip)('an evaluation through Redis', () => {
  let folder: string;
  let redis: RedisServer;
  let running: Running[] = [];

  const worker = (...args: string[]) => {
    const started = startDeit(
      'worker',
      '--queue',
      redis.url,
      '--model',
      model,
      '--data',
      val,
      '--workers',
      '1',
      ...args,
    );
    running.push(started);
    return started;
  };
  const evaluate = (file: string, ...args: string[]) =>
    deitJson('eval', model, val, '--predictions', join(folder, file), ...args);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'deit-queue-'));
    redis = await RedisServer.start();
  });

  // What a test that failed left behind must not fail the next.
  afterEach(async () => {
    for (const { child } of running) child.kill('SIGKILL');
    await Promise.all(running.map(({ ended }) => ended));
    running = [];
  });

  afterAll(async () => {
    await redis?.stop();
    await rm(folder, { recursive: true });
  });

  test('gives what a local run gives to the last digit, though Redis loses all that it held', async () => {
    const local = await evaluate('local.jsonl', '--workers', '1');
    worker();
    const second = worker();
    const queued = evaluate('queued.jsonl', '--queue', redis.url);
    const size = async () => (await readFile(join(folder, 'queued.jsonl')).catch(() => '')).length;
    await until(
      async () => (await size()) > 0,
      () => 'no prediction was written',
    );
    second.child.kill('SIGKILL');
    await redis.crash();
    expect(await queued).toMatchObject({ code: 0, result: local.result });
    expect(await readFile(join(folder, 'queued.jsonl'), 'utf8')).toBe(
      await readFile(join(folder, 'local.jsonl'), 'utf8'),
    );
    for (const { child, ended } of running) {
      child.kill('SIGTERM');
      await ended;
    }
    running = [];
  }, 240_000);

  test('is not done by a worker with another model, which says so', async () => {
    const waiting = startDeit('eval', model, val, '--queue', redis.url);
    running.push(waiting);
    await until(() => /no worker has this model/.test(waiting.err()), waiting.err);
    const otherModel = join(folder, 'other');
    const convert = [
      'dist/converters/cli.js',
      'test/fixtures/models/facebook.pth',
      otherModel,
      '--num-heads',
      '2',
    ];
    execFileSync(process.execPath, convert, { stdio: 'ignore' });
    const other = startDeit(
      'worker',
      '--queue',
      redis.url,
      '--model',
      otherModel,
      '--data',
      val,
      '--workers',
      '1',
    );
    running.push(other);
    await until(() => /refused: an evaluation waits for the model of/.test(other.err()), other.err);
    waiting.child.kill('SIGINT');
    other.child.kill('SIGINT');
    expect(await waiting.ended).toMatchObject({
      code: 1,
      err: expect.stringMatching(/interrupted; the same command/),
    });
    expect((await other.ended).out).toMatch(/^0 pictures in 0 shards/);
  }, 240_000);

  test('sends no worker out of its data folder', async () => {
    const steady = worker();
    await until(() => /waiting for shards of/.test(steady.err()), steady.err);
    const name = /waiting for shards of (\S+)/.exec(steady.err())![1]!;
    const queue = new Queue(name, { connection: parseRedisUrl(redis.url).options });
    const job = await queue.add('shard', {
      version: 2,
      files: ['../labels.txt'],
      model: name,
      batchSize: 1,
      heads: false,
    });
    await until(() => job.isFailed(), steady.err);
    expect(steady.err()).toMatch(/a job names "\.\.\/labels\.txt", which is no path below the data folder/);
    await queue.close();
    steady.child.kill('SIGINT');
    expect((await steady.ended).out).toMatch(/^0 pictures in 0 shards/);
  }, 240_000);
});
