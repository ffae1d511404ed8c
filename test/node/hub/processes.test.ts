/** Several processes and one cache: at the same time, and one after another that was killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type HubServer, sha256 } from '../../hub/hubServer.js';
import { until as untilSo } from '../../reliability/until.js';
import { type Sandbox, startSandbox, WEIGHTS } from './sandbox.js';

let sandbox: Sandbox;
let hub: HubServer;
beforeAll(async () => {
  sandbox = await startSandbox();
  hub = sandbox.hub;
});
beforeEach(() => sandbox.reset());
afterAll(() => sandbox.close());

const blobs = () => join(sandbox.cacheDir, 'hub/models/google/vit/blobs');
const weightsBlob = () => join(blobs(), sha256(WEIGHTS));

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

function start(): Run {
  const script = resolve('dist/test/node/hub/child.js');
  const child = spawn(process.execPath, [script, 'hf:google/vit', 'model.safetensors'], {
    env: sandbox.env(),
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (text) => {
    stdout += text;
  });
  child.stderr.on('data', (text) => {
    stderr += text;
  });
  return { child, ended: once(child, 'close').then(([code]) => ({ code, stdout, stderr })) };
}

/** Sends the weights slowly, or half of them and then nothing. */
function slowly(stopAt = WEIGHTS.length): void {
  hub.cdnFaults.push((_, response) => {
    response.writeHead(200, { 'content-length': WEIGHTS.length });
    const send = (at: number) => {
      if (at >= stopAt) return void (at >= WEIGHTS.length && response.end());
      response.write(WEIGHTS.subarray(at, at + 30_000));
      setTimeout(send, 100, at + 30_000);
    };
    send(0);
  });
}

const until = (isSo: () => boolean) => untilSo(isSo, () => JSON.stringify(hub.seen.map(({ path }) => path)));

const whole = { code: 0, stdout: `${sha256(WEIGHTS)}\n` };

test('three processes at once: one downloads, the others wait for it, all get the file', async () => {
  slowly();
  const runs = [start(), start(), start()];
  const outcomes = await Promise.all(runs.map(({ ended }) => ended));
  for (const outcome of outcomes) expect(outcome).toMatchObject(whole);
  expect(hub.seen.filter(({ host }) => host === 'cdn')).toHaveLength(1);
  expect(readdirSync(blobs())).toEqual([sha256(WEIGHTS)]);
  const waiting = outcomes.filter(({ stderr }) => stderr.includes('another process downloads it; waiting'));
  expect(waiting).toHaveLength(2);
});

test('a process killed in the middle: the next goes on from there', async () => {
  slowly(150_000);
  const first = start();
  await until(
    () => existsSync(`${weightsBlob()}.partial`) && statSync(`${weightsBlob()}.partial`).size >= 90_000,
  );
  first.child.kill('SIGKILL');
  await first.ended;
  const { size } = statSync(`${weightsBlob()}.partial`);
  expect(existsSync(weightsBlob())).toBe(false);
  expect(existsSync(`${weightsBlob()}.lock`)).toBe(true);
  expect(await start().ended).toMatchObject(whole);
  expect(hub.seen.at(-1)!.headers.range).toBe(`bytes=${size}-`);
  expect(readdirSync(blobs())).toEqual([sha256(WEIGHTS)]);
});

test('a process killed while another waits for it: that one takes over', async () => {
  slowly(150_000);
  const first = start();
  await until(
    () => existsSync(`${weightsBlob()}.partial`) && statSync(`${weightsBlob()}.partial`).size >= 30_000,
  );
  const second = start();
  await until(() => hub.seen.filter(({ path }) => path.startsWith('/api/')).length === 2);
  first.child.kill('SIGKILL');
  expect(await second.ended).toMatchObject(whole);
});

test('the lock of a process that was killed before the first byte stops nobody', async () => {
  slowly(0);
  const first = start();
  await until(() => hub.seen.some(({ host }) => host === 'cdn'));
  expect(existsSync(`${weightsBlob()}.lock`)).toBe(true);
  first.child.kill('SIGKILL');
  await first.ended;
  expect(await start().ended).toMatchObject(whole);
});
