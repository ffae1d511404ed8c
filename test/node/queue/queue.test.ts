import { execFileSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { parseRedisUrl } from '../../../src/node/queue/connection.js';
import { SHARD_VERSION, type Shard } from '../../../src/node/queue/shard.js';
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
      code: 130,
      err: expect.stringMatching(/interrupted; the same command/),
    });
    expect((await other.ended).out).toMatch(/^0 images in 0 shards/);
  }, 240_000);

  test('sends no worker out of its data folder', async () => {
    const steady = worker();
    await until(() => /waiting for shards of/.test(steady.err()), steady.err);
    const name = /waiting for shards of (\S+)/.exec(steady.err())![1]!;
    const queue = new Queue(name, { connection: parseRedisUrl(redis.url).options });
    const shard = { version: 3, run: 'forged', model: name, batchSize: 1, heads: false };
    const job = await queue.add('shard', { ...shard, files: ['../labels.txt'], contents: [null] });
    await until(() => job.isFailed(), steady.err);
    expect(steady.err()).toMatch(/a job names "\.\.\/labels\.txt", which is no path below the data folder/);
    // One that would break the worker's memory for the jobs after it.
    const files = Array(4096).fill('0/00003.png');
    const large = await queue.add('shard', {
      ...shard,
      files,
      batchSize: 4096,
      contents: Array(4096).fill(null),
    });
    await until(() => large.isFailed(), steady.err);
    expect(steady.err()).toMatch(/a job that is no shard of images: expected 1 to 64 files/);
    await queue.close();
    expect(await evaluate('after.jsonl', '--queue', redis.url)).toMatchObject({
      code: 0,
      result: { images: 400 },
    });
    steady.child.kill('SIGINT');
    expect((await steady.ended).out).toMatch(/^400 images in 13 shards/);
  }, 240_000);

  test('is not done by a worker with other images under the same names, which names one', async () => {
    const data = join(folder, 'others');
    await cp(val, data, { recursive: true });
    const changed = await readFile(join(val, '3/00018.png'));
    await writeFile(join(data, '0/00003.png'), changed);
    const other = startDeit(
      ...['worker', '--queue', redis.url, '--model', model, '--data', data, '--workers', '1'],
    );
    running.push(other);
    await until(() => /waiting for shards of/.test(other.err()), other.err);
    const queued = startDeit('eval', model, val, '--queue', redis.url, '--json');
    running.push(queued);
    const refusal = /others\/0\/00003\.png: is not the file of the evaluation \(\d+ bytes, where .*--data/;
    await until(() => refusal.test(queued.err()), queued.err);
    expect(other.err()).toMatch(refusal);
    // It does not end the evaluation: another worker does what that one cannot.
    const right = worker();
    const { code, out } = await queued.ended;
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ images: 400, failed: 0 });
    for (const { child } of [other, right]) child.kill('SIGTERM');
    expect((await other.ended).code).toBe(0);
    expect((await right.ended).code).toBe(0);
  }, 240_000);

  test('that is gone is not worked off: its shards are dropped', async () => {
    const killed = startDeit('eval', model, val, '--queue', redis.url);
    running.push(killed);
    const queue = await queueOf(killed);
    await until(async () => (await queue.getWaitingCount()) >= 13, killed.err);
    killed.child.kill('SIGKILL');
    await killed.ended;
    const client = new Redis(parseRedisUrl(redis.url).options);
    // What time does to it, done at once.
    for (const key of await client.keys('deit-eval:run:*')) await client.del(key);
    const late = worker('--idle', '1');
    const { code, out, err } = await late.ended;
    expect({ code, out }).toMatchObject({ code: 0, out: expect.stringMatching(/^0 images in 0 shards/) });
    expect(err.match(/dropped: shards of an evaluation that is gone/g)).toHaveLength(1);
    expect(await queue.getWaitingCount()).toBe(0);
    await queue.close();
    client.disconnect();
  }, 240_000);

  test('shows nothing of an answer that could act on the terminal', async () => {
    const evaluation = startDeit('eval', model, val, '--queue', redis.url);
    running.push(evaluation);
    const queue = await queueOf(evaluation);
    const hostile = '\u001b]0;owned\u0007\u001b[2J\u009b1Ano\u202eimage\r\nforged line';
    const forger = new Worker(
      queue.name,
      async ({ data }: { data: Shard }) => ({
        version: SHARD_VERSION,
        worker: hostile,
        backend: 'wasm',
        indices: [],
        logits: '',
        heads: [],
        failures: data.files.map((_, index) => ({ index, message: hostile })),
      }),
      { connection: parseRedisUrl(redis.url).options },
    );
    const { code, err } = await evaluation.ended;
    await forger.close(true);
    await queue.close();
    expect(code).toBe(1);
    expect(err.match(/^not read: noimage forged line$/gm)).toHaveLength(400);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(err).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(err).toMatch(/none of its 400 images could be read/);
  }, 240_000);

  /** The queue that an evaluation waits on, by what it says. */
  async function queueOf(evaluation: Running): Promise<Queue> {
    await until(() => /no worker has this model \((\S+)\)/.test(evaluation.err()), evaluation.err);
    const name = /no worker has this model \((\S+)\)/.exec(evaluation.err())![1]!;
    return new Queue(name, { connection: parseRedisUrl(redis.url).options });
  }
});

(hasRedis ? describe : describe.skip)('a worker or an evaluation whose Redis is gone', () => {
  let redis: RedisServer;
  beforeEach(async () => {
    redis = await RedisServer.start();
  });

  const started = async (...args: string[]) => {
    const process = startDeit(...args, '--queue', redis.url);
    await until(() => /waiting for shards of|no worker has this model/.test(process.err()), process.err);
    await redis.stop();
    await until(() => /connection lost/.test(process.err()), process.err);
    return process;
  };
  const asWorker = ['worker', '--model', model, '--data', val, '--workers', '1'];

  test.each(['SIGTERM', 'SIGINT'] as const)('ends within seconds of %s', async (signal) => {
    const process = await started(...asWorker);
    const begin = performance.now();
    process.child.kill(signal);
    expect(await process.ended).toMatchObject({ code: 0, out: expect.stringMatching(/^0 images/) });
    expect(performance.now() - begin).toBeLessThan(20_000);
  }, 120_000);

  test('ends at once at a second signal', async () => {
    const process = await started(...asWorker);
    process.child.kill('SIGTERM');
    await until(() => /once more ends at once/.test(process.err()), process.err);
    const begin = performance.now();
    process.child.kill('SIGTERM');
    // What ends as after the first signal has code 0; the limit is one for a machine that is busy.
    expect((await process.ended).code).toBe(143);
    expect(performance.now() - begin).toBeLessThan(10_000);
  }, 120_000);

  test('an evaluation ends too, and says how it goes on', async () => {
    const process = await started('eval', model, val);
    process.child.kill('SIGINT');
    expect(await process.ended).toMatchObject({
      code: 130,
      err: expect.stringMatching(/interrupted; the same command/),
    });
  }, 120_000);
});

(hasRedis ? describe : describe.skip)('a Redis with a password', () => {
  const password = 'p%40#/? 100%';
  let redis: RedisServer;
  let folder: string;
  beforeAll(async () => {
    redis = await RedisServer.start('--requirepass', password);
    folder = await mkdtemp(join(tmpdir(), 'deit-password-'));
    await writeFile(join(folder, 'password'), `${password}\n`);
  });
  afterAll(async () => {
    await redis.stop();
    await rm(folder, { recursive: true });
  });
  const worker = ['worker', '--model', model, '--data', val, '--workers', '1', '--idle', '1'];

  test('takes it from the environment or a file, where no list of processes shows it', async () => {
    const byFile = await startDeit(
      ...[...worker, '--queue', redis.url, '--redis-password-file', join(folder, 'password')],
    ).ended;
    expect(byFile).toMatchObject({ code: 0, out: expect.stringMatching(/^0 images/) });
    const env = { ...process.env, DEIT_REDIS_URL: redis.url, DEIT_REDIS_PASSWORD: password };
    const out = execFileSync(process.execPath, ['dist/src/cli/deit.js', ...worker], { env, stdio: 'pipe' });
    expect(String(out)).toMatch(/^0 images/);
  }, 120_000);

  test('says so where it stands in the address, and where there is none', async () => {
    const encoded = redis.url.replace('//', `//:${encodeURIComponent(password)}@`);
    const shown = await startDeit(...worker, '--queue', encoded).ended;
    expect(shown.code).toBe(0);
    expect(shown.err).toMatch(/can be seen in the list of processes; DEIT_REDIS_URL/);
    expect(shown.err).not.toContain(password);
    const without = await startDeit(...worker, '--queue', redis.url).ended;
    expect(without).toMatchObject({ code: 1, err: expect.stringMatching(/NOAUTH/) });
  }, 120_000);
});
