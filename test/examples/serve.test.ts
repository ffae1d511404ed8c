/** examples/serve as it is started: its answers, what it does when too much comes, and how it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { until } from '../reliability/until.js';

const DIGITS = 'examples/digits/val';
/** One image that is under way fills the server. */
const MOST = 1;

let server: ChildProcess;
let address: string;

function digit(label: number): Buffer {
  const folder = join(DIGITS, String(label));
  return readFileSync(join(folder, readdirSync(folder).sort()[0]!));
}

const post = (body: Uint8Array<ArrayBuffer> | Buffer, path = '/classify', type = 'image/png') =>
  fetch(address + path, { method: 'POST', body: new Uint8Array(body), headers: { 'Content-Type': type } });

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${address}/metrics`)).text();
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.split(' ')[1] ?? 0);
}

const counted = (result: string) => metric(`deit_images_total{result="${result}"}`);

beforeAll(async () => {
  const args = ['examples/serve/server.mjs', 'examples/digits/deit_digits_distilled.pth', '--port', '0'];
  server = spawn(process.execPath, [...args, '--most', String(MOST), '--backend', 'wasm'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(server.stdout!), 'line')) as [string];
  address = line;
});

afterAll(() => {
  server.kill('SIGKILL');
});

test('an image is classified', async () => {
  for (const label of [3, 7]) {
    const response = await post(digit(label), '/classify?top=2');
    expect(response.status).toBe(200);
    const { predictions } = (await response.json()) as { predictions: { label: string }[] };
    expect(predictions).toHaveLength(2);
    expect(predictions[0]!.label).toBe(String(label));
  }
  expect((await fetch(`${address}/healthz`)).status).toBe(200);
});

test.each([
  ['bytes that are no image', () => post(Buffer.from('abc')), 422, /not an image that can be read/],
  ['another content type', () => post(digit(1), '/classify', 'text/plain'), 415, /media type/i],
  ['a number of classes that is none', () => post(digit(1), '/classify?top=many'), 400, /top/],
  ['no body', () => fetch(`${address}/classify`, { method: 'POST' }), 415, /bytes of an image/],
])('refused: %s', async (_, send, status, message) => {
  const response = await send();
  expect(response.status).toBe(status);
  expect(await response.text()).toMatch(message);
});

test('what comes beyond the limit is sent away at once, and counted; the rest is answered', async () => {
  const [classified, sentAway] = [await counted('classified'), await counted('overload')];
  const responses = await Promise.all(Array.from({ length: 40 }, () => post(digit(5))));
  const bodies = await Promise.all(responses.map((response) => response.text()));
  const answered = responses.filter(({ status }) => status === 200);
  const refused = responses.filter(({ status }) => status === 503);
  expect(answered.length).toBeGreaterThan(0);
  expect(refused.length).toBeGreaterThan(0);
  expect(answered.length + refused.length).toBe(40);
  for (const { headers } of refused) expect(headers.get('retry-after')).toBe('1');
  for (const [i, { status }] of responses.entries()) {
    if (status === 200) expect(JSON.parse(bodies[i]!).predictions[0].label).toBe('5');
  }
  expect(await counted('classified')).toBe(classified + answered.length);
  expect(await counted('overload')).toBe(sentAway + refused.length);
  expect(await metric('deit_images_under_way')).toBe(0);
});

/** A small file of 24 megapixels, which takes a while to decode. */
function largeImage(): Promise<Buffer> {
  const background = { r: 20, g: 200, b: 90 };
  return sharp({ create: { width: 6000, height: 4000, channels: 3, background } })
    .png()
    .toBuffer();
}

test('a client that goes is not computed for', async () => {
  const image = await largeImage();
  const before = await counted('aborted');
  const abort = new AbortController();
  const gone = fetch(`${address}/classify`, {
    method: 'POST',
    body: new Uint8Array(image),
    headers: { 'Content-Type': 'image/png' },
    signal: abort.signal,
  });
  await until(
    async () => (await metric('deit_images_under_way')) === 1,
    () => 'the image never came',
    60,
  );
  abort.abort();
  await expect(gone).rejects.toThrow();
  await until(
    async () => (await counted('aborted')) === before + 1,
    () => 'it was computed',
    60,
  );
  await until(
    async () => (await metric('deit_images_under_way')) === 0,
    () => 'it is still held',
    60,
  );
});

test('SIGTERM: what was taken is answered, then the process ends', async () => {
  const image = await largeImage();
  const answer = post(image);
  await until(
    async () => (await metric('deit_images_under_way')) === 1,
    () => 'the image never came',
    60,
  );
  const exit = once(server, 'exit');
  server.kill('SIGTERM');
  const { status, headers } = await answer;
  // Kept open, the connection would keep the process for another 72 s.
  expect([status, headers.get('connection')]).toEqual([200, 'close']);
  expect(await exit).toEqual([0, null]);
});
