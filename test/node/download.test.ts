import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { modelEntries } from '../../configs/models/index.js';
import { downloadFile } from '../../src/node/download.js';
import { failure } from '../failure.js';

/** What the server keeps: bytes that no two places share. */
const content = new Uint8Array(300_000).map((_, i) => (i * 7919 + (i >> 8) * 31) & 255);
const other = content.map((byte) => byte ^ 1);
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
/** First digits of the hash, as official names have them. */
const digits = sha256(content).slice(0, 8);
const hashed = `model-${digits}.pth`;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
let answer: Answer;
/** Headers of the requests that came since the test began. */
let requests: IncomingMessage['headers'][];
const server = createServer((request, response) => {
  requests.push(request.headers);
  answer(request, response);
});
let root: string;
let folder: string;

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  root = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
beforeEach(() => {
  requests = [];
  folder = mkdtempSync(join(tmpdir(), 'deit-download-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

/** A server with ranges; every answer ends after at most `cut` bytes, the connection with it. */
function ranges({ bytes = content, cut = Infinity, etag = '"1"' }): Answer {
  return (request, response) => {
    const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
    const same = request.headers['if-range'] === undefined || request.headers['if-range'] === etag;
    const start = range && same ? Number(range[1]) : 0;
    response.setHeader('etag', etag);
    if (start >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    response.setHeader('content-length', bytes.length - start);
    if (start > 0) {
      response.setHeader('content-range', `bytes ${start}-${bytes.length - 1}/${bytes.length}`);
    }
    response.writeHead(start > 0 ? 206 : 200);
    const part = bytes.subarray(start, start + cut);
    if (start + part.length === bytes.length) response.end(part);
    // Later Nodes drop what a connection brought that is cut before it was read.
    else response.write(part, () => setTimeout(() => response.socket?.end(), 50));
  };
}

/** A server that knows no ranges. */
const whole: Answer = (_, response) =>
  void response.writeHead(200, { 'content-length': content.length }).end(content);

/** The answers in turn, the last one again and again. */
function inTurn(...answers: Answer[]): Answer {
  let next = 0;
  return (request, response) => answers[Math.min(next++, answers.length - 1)]!(request, response);
}

const status =
  (code: number): Answer =>
  (_, response) =>
    void response.writeHead(code).end();

function download(name = hashed, options: Parameters<typeof downloadFile>[2] = {}) {
  const known = name === hashed ? { sha256: digits } : {};
  return downloadFile(root + name, join(folder, name), { pauses: [1, 1, 1], ...known, ...options });
}

/** The file is there, whole, and nothing else but its sum. */
function expectWhole(name = hashed, bytes = content): void {
  expect(readdirSync(folder)).toEqual([name, `${name}.sha256`]);
  expect(readFileSync(join(folder, `${name}.sha256`), 'utf8')).toBe(`${sha256(bytes)}  ${name}\n`);
  expect(sha256(readFileSync(join(folder, name)))).toBe(sha256(bytes));
}

test('a whole file, its hash checked, progress up to its size', async () => {
  answer = ranges({});
  const progress: [number, number | null][] = [];
  const result = await download(hashed, { onProgress: (...at) => progress.push(at) });
  expect(result).toEqual({
    path: join(folder, hashed),
    bytes: content.length,
    sha256: sha256(content),
    hashChecked: true,
    hashDigits: 8,
    resumedFrom: 0,
    existed: false,
  });
  expectWhole();
  expect(progress[0]).toEqual([0, content.length]);
  expect(progress.at(-1)).toEqual([content.length, content.length]);
});

test('a connection that is cut again and again is taken up where it was cut', async () => {
  answer = ranges({ cut: 70_000 });
  await download();
  expectWhole();
  expect(requests.map(({ range }) => range)).toEqual(
    [undefined, 70, 140, 210, 280].map((k) => k && `bytes=${k}000-`),
  );
  expect(requests[1]!['if-range']).toBe('"1"');
});

test('a lost connection leaves what came, and the next run goes on from there', async () => {
  answer = inTurn(ranges({ cut: 100_000 }), (request) => void request.socket.destroy());
  expect(await failure(download())).toMatch(
    /the connection was cut, and further tries got no more than 0\.1 of 0\.3 MB; run the same command again/,
  );
  expect(requests).toHaveLength(4); // the first and three more
  expect(readdirSync(folder)).toEqual([`${hashed}.partial`, `${hashed}.partial.json`]);
  answer = ranges({});
  expect(await download()).toMatchObject({ resumedFrom: 100_000, bytes: content.length });
  expectWhole();
  expect(requests.at(-1)).toMatchObject({ range: 'bytes=100000-', 'if-range': '"1"' });
});

test('a server without ranges is asked for all of it again', async () => {
  answer = inTurn(ranges({ cut: 100_000 }), whole);
  await download();
  expectWhole();
});

test('a server that stops sending is left and asked again', async () => {
  const silent: Answer = (_, response) => {
    response.writeHead(200, { 'content-length': content.length });
    response.write(content.subarray(0, 1000));
  };
  answer = inTurn(silent, ranges({}));
  const notices: string[] = [];
  await download(hashed, { stallMs: 300, onNotice: (line) => notices.push(line) });
  expectWhole();
  expect(notices).toEqual([expect.stringMatching(/^nothing came for 0 s; goes on from 0\.0 MB$/)]);
});

test('a file that changed on the server is not sewn to the old one', async () => {
  answer = inTurn(ranges({ cut: 100_000 }), status(503), ranges({ bytes: other, etag: '"2"' }));
  await download('model.pth');
  expectWhole('model.pth', other);
});

test('without hash or validator nothing is gone on with', async () => {
  writeFileSync(join(folder, 'model.pth.partial'), 'left by someone');
  answer = whole;
  expect(await download('model.pth')).toMatchObject({ hashChecked: false, hashDigits: 0, resumedFrom: 0 });
  expectWhole('model.pth');
  expect(requests[0]!.range).toBeUndefined();
});

test('a wrong hash: nothing is kept', async () => {
  answer = ranges({ bytes: other });
  expect(await failure(download())).toBe(
    `${root}${hashed}: SHA-256 should begin with ${digits} as published, is ` +
      `${sha256(other).slice(0, 8)}…; what the server sends is damaged or another file, nothing was kept`,
  );
  expect(readdirSync(folder)).toEqual([]);
});

test('a damaged beginning from an earlier run is thrown away', async () => {
  writeFileSync(join(folder, `${hashed}.partial`), other.subarray(0, 1000));
  answer = ranges({});
  await download();
  expectWhole();
  expect(requests.map(({ range }) => range)).toEqual(['bytes=1000-', undefined]);
});

test('a partial file that is whole needs its name only; one that is too long is begun again', async () => {
  answer = ranges({});
  writeFileSync(join(folder, `${hashed}.partial`), content);
  await download();
  expectWhole();
  rmSync(join(folder, hashed));
  writeFileSync(join(folder, `${hashed}.partial`), new Uint8Array(content.length + 5));
  await download();
  expectWhole();
});

test('an answer packed on the way, one without a length, one behind a redirect', async () => {
  const packed = gzipSync(content);
  answer = (_, response) =>
    void response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed);
  await download();
  expectWhole();
  rmSync(join(folder, hashed));
  answer = (_, response) => {
    response.writeHead(200);
    response.write(content.subarray(0, 5));
    response.end(content.subarray(5));
  };
  await download();
  expectWhole();
  rmSync(join(folder, hashed));
  answer = inTurn(
    (_, response) => void response.writeHead(302, { location: '/elsewhere' }).end(),
    ranges({}),
  );
  await download();
  expectWhole();
});

test('a busy server is asked again; no such file is said at once, and nothing is left', async () => {
  answer = inTurn(status(503), status(429), ranges({}));
  await download();
  expectWhole();
  rmSync(join(folder, hashed));
  rmSync(join(folder, `${hashed}.sha256`));
  requests = [];
  answer = status(404);
  expect(await failure(download())).toMatch(/the server answered 404 Not Found; the file is not there/);
  expect(requests).toHaveLength(1);
  expect(readdirSync(folder)).toEqual([]);
  answer = status(500);
  expect(await failure(download())).toMatch(
    /the server answered 500 Internal Server Error, and further tries/,
  );
  expect(readdirSync(folder)).toEqual([]);
});

test('no server, no host: said at once', async () => {
  const target = join(folder, hashed);
  const closed = createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const refused = downloadFile(`http://127.0.0.1:${port}/${hashed}`, target);
  expect(await failure(refused)).toBe(
    `http://127.0.0.1:${port}/${hashed}: cannot be reached (the connection was refused); check the network, or download ` +
      `it elsewhere and put it at ${target}`,
  );
  const nowhere = downloadFile(`http://nowhere.invalid/${hashed}`, target);
  expect(await failure(nowhere)).toMatch(/cannot be reached \(the host is not found/);
  expect(readdirSync(folder)).toEqual([]);
});

test('a file in its place: kept if it is right, never replaced', async () => {
  answer = status(500);
  writeFileSync(join(folder, hashed), content);
  expect(await download()).toMatchObject({ existed: true, hashChecked: true });
  writeFileSync(join(folder, hashed), other);
  expect(await failure(download())).toMatch(
    /which is there already: SHA-256 should begin with .*; remove it or choose another/,
  );
  expect(sha256(readFileSync(join(folder, hashed)))).toBe(sha256(other));
  expect(requests).toEqual([]);
});

test('a whole sum is compared whole: a file with the right first digits is refused', async () => {
  answer = ranges({});
  const forged = `${digits}${'0'.repeat(56)}`;
  expect(await failure(download(hashed, { sha256: forged }))).toMatch(
    new RegExp(`SHA-256 should be ${forged} as published, is ${sha256(content)}; what the server sends`),
  );
  expect(await download(hashed, { sha256: sha256(content) })).toMatchObject({ hashDigits: 64 });
});

test('a file that changed after it came is told from the sum that was kept', async () => {
  answer = ranges({});
  await download('model.pth');
  writeFileSync(join(folder, 'model.pth'), other);
  expect(await failure(download('model.pth'))).toMatch(
    /model\.pth, which is there already: SHA-256 should be [0-9a-f]{64} as .*model\.pth\.sha256 has kept it/,
  );
});

test('a name that ends in hex digits and is not official is no hash', async () => {
  answer = ranges({});
  for (const name of ['model-20240131.pth', 'model-0000000a.pth', 'epoch-00000299.pth'])
    expect(await download(name)).toMatchObject({ hashChecked: false });
});

test('a full disk is said', async () => {
  if (!existsSync('/dev/full')) return;
  symlinkSync('/dev/full', join(folder, `${hashed}.partial`));
  answer = ranges({});
  expect(await failure(download())).toMatch(/\.partial: the disk is full; free some space and run the same/);
});

test('a file larger than the disk is refused before it comes', async () => {
  answer = (_, response) => {
    response.writeHead(200, { 'content-length': 2 ** 53 - 1 });
    response.write('x');
  };
  expect(await failure(download('model.pth'))).toMatch(
    /needs 9007199254\.7 MB more, the disk has [\d.]+ MB free/,
  );
});

test('official files: the eight of the table by their hashes, and those of DeiT III', () => {
  const names = modelEntries.map(({ checkpoint }) => checkpoint?.split('/').at(-1));
  expect(names.filter((name) => name && /-[0-9a-f]{8}\.pth$/.test(name))).toEqual([
    'deit_tiny_patch16_224-a1311bcf.pth',
    'deit_tiny_distilled_patch16_224-b40b3cf7.pth',
    'deit_small_patch16_224-cd65a155.pth',
    'deit_small_distilled_patch16_224-649709d9.pth',
    'deit_base_patch16_224-b5f2ef4d.pth',
    'deit_base_distilled_patch16_224-df68dfff.pth',
    'deit_base_patch16_384-8de9b5d1.pth',
    'deit_base_distilled_patch16_384-d0272ac0.pth',
  ]);
  expect(names.filter((name) => name?.startsWith('deit_3_'))).toHaveLength(8);
});
