import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { HubFolder, HubProgress } from '../../../src/hub/hubFolder.js';
import type { NodeHubOptions } from '../../../src/node/hub/openHub.js';
import { failure } from '../../failure.js';
import {
  GOOD_TOKEN,
  gitSha1,
  type Handler,
  type HubServer,
  lfsPointer,
  OTHER_TOKEN,
  pattern,
  sendRange,
  sha256,
} from '../../hub/hubServer.js';
import { until } from '../../reliability/until.js';
import { COMMIT, CONFIG, OLD_COMMIT, type Sandbox, startSandbox, WEIGHTS } from './sandbox.js';

let sandbox: Sandbox;
let hub: HubServer;
const opened: HubFolder[] = [];
beforeAll(async () => {
  sandbox = await startSandbox();
  hub = sandbox.hub;
});
beforeEach(() => sandbox.reset());
afterEach(async () => {
  for (const folder of opened.splice(0)) await folder.close();
});
afterAll(() => sandbox.close());

async function open(name = 'hf:google/vit', options: NodeHubOptions = {}): Promise<HubFolder> {
  const folder = await sandbox.open(name, options);
  opened.push(folder);
  return folder;
}

async function bytesOf(folder: HubFolder, path = 'model.safetensors'): Promise<Uint8Array> {
  const source = await folder.open(path);
  return source.read(0, source.size);
}

/** Compared by hash: jest takes a second for as many bytes. */
async function expectWeights(folder: HubFolder): Promise<void> {
  expect(sha256(await bytesOf(folder))).toBe(sha256(WEIGHTS));
}

const paths = () => hub.seen.map(({ method, host, path }) => `${method} ${host} ${path}`);
const blob = (hash: string) => join(sandbox.cacheDir, 'hub/models/google/vit/blobs', hash);
const weightsBlob = () => blob(sha256(WEIGHTS));

const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(code, headers).end();

/** How much of the weights is on the disk. */
const partialSize = () => statSync(`${weightsBlob()}.partial`, { throwIfNoEntry: false })?.size ?? 0;

/** The weights, cut after so many bytes of each answer, once those are on the disk. */
const cut =
  (count: number, bytes = WEIGHTS): Handler =>
  (request, response) => {
    const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(start ? 206 : 200, {
      'content-length': bytes.length - start,
      ...(start && { 'content-range': `bytes ${start}-${bytes.length - 1}/${bytes.length}` }),
    });
    response.write(bytes.subarray(start, start + count), () => {
      until(
        () => partialSize() >= start + count,
        () => `${partialSize()} bytes`,
        20,
      ).finally(() => response.destroy());
    });
  };

describe('a model', () => {
  test('one request for the list, one for each file, each once and only when it is read', async () => {
    const progress: HubProgress[] = [];
    const folder = await open('hf:google/vit', { onProgress: (at) => progress.push(at) });
    expect(folder).toMatchObject({
      name: 'hf:google/vit',
      repo: 'google/vit',
      revision: 'main',
      commit: COMMIT,
      notes: [],
    });
    expect(await folder.list()).toEqual(['config.json', 'empty.txt', 'model.safetensors', 'sub/a b.bin']);
    expect(paths()).toEqual(['GET hub /api/models/google/vit/revision/main?blobs=true']);
    expect(await folder.readText('config.json')).toBe(CONFIG);
    expect(await folder.readText('preprocessor_config.json')).toBeUndefined();
    expect(await folder.readText('empty.txt')).toBe('');
    const [first, second] = await Promise.all([
      folder.open('model.safetensors'),
      folder.open('model.safetensors'),
    ]);
    expect(first).toBe(second);
    expect(first.name).toBe('google/vit/model.safetensors');
    expect([...(await first.read(1000, 5))]).toEqual([...WEIGHTS.subarray(1000, 1005)]);
    await expectWeights(folder);
    expect((await bytesOf(folder, 'sub/a b.bin')).length).toBe(10);
    expect(paths().slice(1)).toEqual([
      `GET hub /google/vit/resolve/${COMMIT}/config.json`,
      `GET hub /google/vit/resolve/${COMMIT}/empty.txt`,
      `GET hub /google/vit/resolve/${COMMIT}/model.safetensors`,
      `GET cdn /${sha256(WEIGHTS)}`,
      `GET hub /google/vit/resolve/${COMMIT}/sub/a%20b.bin`,
    ]);
    const steps = progress.filter(({ path }) => path === 'model.safetensors');
    expect(steps[0]).toEqual({ path: 'model.safetensors', loadedBytes: 0, totalBytes: WEIGHTS.length });
    expect(steps.at(-1)!.loadedBytes).toBe(WEIGHTS.length);
  });

  test('the second time only the list is asked for; at a commit nothing is', async () => {
    await bytesOf(await open());
    hub.seen.length = 0;
    await expectWeights(await open());
    expect(paths()).toEqual(['GET hub /api/models/google/vit/revision/main?blobs=true']);
    hub.seen.length = 0;
    await expectWeights(await open(`hf:google/vit@${COMMIT}`));
    expect(paths()).toEqual([]);
  });

  test('revisions: a tag, a branch with a slash, the option; files that they share are fetched once', async () => {
    const old = await open('hf:google/vit@v1');
    expect(old).toMatchObject({ name: 'hf:google/vit@v1', revision: 'v1', commit: OLD_COMMIT });
    await expectWeights(old);
    expect((await open('hf:google/vit', { revision: 'feature/x' })).commit).toBe(OLD_COMMIT);
    expect(hub.seen.at(-1)!.path).toBe('/api/models/google/vit/revision/feature%2Fx?blobs=true');
    hub.seen.length = 0;
    await bytesOf(await open());
    expect(hub.seen.filter(({ host }) => host === 'cdn')).toEqual([]);
    expect(await failure(open('hf:google/vit@v1', { revision: 'v2' }))).toMatch(/give one of them$/);
  });

  test('a new commit on the branch is seen', async () => {
    await (await open()).readText('config.json');
    const before = hub.repos['google/vit']!;
    const config = new TextEncoder().encode('{"new":1}');
    hub.repos['google/vit'] = {
      ...before,
      commit: 'c'.repeat(40),
      files: { ...before.files, 'config.json': { bytes: config } },
    };
    expect(await (await open()).readText('config.json')).toBe('{"new":1}');
  });

  test('a file and a folder inside it; addresses of the endpoint', async () => {
    const file = await open('hf:google/vit/sub/a b.bin');
    expect(file).toMatchObject({ name: 'hf:google/vit/sub', chosen: 'a b.bin' });
    expect(await file.list()).toEqual(['a b.bin']);
    expect((await bytesOf(file, 'a b.bin')).length).toBe(10);
    expect(await file.readText('config.json')).toBeUndefined();
    const root = await open(`${hub.endpoint}/google/vit/resolve/main/model.safetensors`);
    expect(root).toMatchObject({ name: 'hf:google/vit@main', chosen: 'model.safetensors' });
    expect(await (await open('hf:google/vit@v1/sub')).list()).toEqual(['a b.bin']);
    expect(await failure(open('hf:google/vit/none.bin'))).toBe(
      'hf:google/vit/none.bin: there is no file or folder none.bin in it; there are config.json, empty.txt, ' +
        'model.safetensors, sub/a b.bin',
    );
  });

  test('paths that lead out, files that are not there', async () => {
    const folder = await open();
    expect(await failure(folder.readText('../x'))).toMatch(/which leads out of it$/);
    expect(await failure(folder.open('/etc/passwd'))).toMatch(/which leads out of it$/);
    expect(await failure(folder.open('pytorch_model.bin'))).toBe(
      'hf:google/vit: has no file pytorch_model.bin; there are config.json, empty.txt, model.safetensors, sub/a b.bin',
    );
    expect(await failure(folder.readText('sub/a b.bin'))).toMatch(/expected text in UTF-8/);
  });

  test('two at once in one process fetch a file once', async () => {
    const folders = await Promise.all([open(), open()]);
    await Promise.all(folders.map(expectWeights));
    expect(hub.seen.filter(({ host }) => host === 'cdn')).toHaveLength(1);
  });

  test('a lock that was taken away: what came is gone on with under a new one', async () => {
    const slow: Handler = (_, response) => {
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 50_000));
      setTimeout(() => response.end(WEIGHTS.subarray(50_000)), 1200); // the lock is looked at once a second
    };
    hub.cdnFaults.push(slow);
    const onProgress = () => rmSync(`${weightsBlob()}.lock`, { force: true });
    await expectWeights(await open('hf:google/vit', { onProgress }));
    expect(hub.seen.at(-1)!.headers.range).toBe('bytes=50000-');
    expect(existsSync(`${weightsBlob()}.partial`)).toBe(false);
  });

  test('a text of more than 32 MiB is not fetched', async () => {
    sandbox.add('big/text', { 'index.json': { bytes: new Uint8Array(32 * 2 ** 20 + 1) } });
    const folder = await open('hf:big/text');
    expect(await failure(folder.readText('index.json'))).toMatch(/at most 33554432 bytes, found 33554433/);
    expect(hub.seen).toHaveLength(1);
  });

  test('unknown options', async () => {
    expect(await failure(open('hf:google/vit', { cache: 'x' } as NodeHubOptions))).toMatch(
      /^openHub has no option "cache"; it has revision, .*cacheDir/,
    );
  });
});

describe('tokens and access', () => {
  test('the token goes to the hub, and not to the host that it redirects to', async () => {
    await bytesOf(await open('hf:google/vit', { token: GOOD_TOKEN }));
    for (const { host, headers } of hub.seen) {
      expect(headers.authorization).toBe(host === 'hub' ? `Bearer ${GOOD_TOKEN}` : undefined);
    }
    expect(hub.seen.map(({ host }) => host)).toContain('cdn');
  });

  test('a redirect on the hub itself keeps the token; one without end, one to a strange place', async () => {
    hub.faults.push((request, response) =>
      response.writeHead(307, { location: `${request.url}&moved=1` }).end(),
    );
    await open('hf:google/vit', { token: GOOD_TOKEN });
    expect(hub.seen.map(({ headers }) => headers.authorization)).toEqual(
      Array(2).fill(`Bearer ${GOOD_TOKEN}`),
    );
    const turn: Handler = (request, response) => response.writeHead(302, { location: request.url! }).end();
    hub.faults.push(...Array(20).fill(turn));
    expect(await failure(open())).toMatch(/leads from one address to the next without end$/);
    hub.faults.length = 0;
    hub.faults.push(status(302, { location: 'file:///etc/passwd' }));
    expect(await failure(open())).toMatch(
      /redirects to file:\/\/\/etc\/passwd, where no file is fetched from/,
    );
  });

  test('HF_TOKEN, else the file that signing in leaves', async () => {
    sandbox.add('me/private', { 'config.json': { bytes: pattern(5) } }, { private: true });
    process.env.HF_TOKEN = ` ${GOOD_TOKEN}\n`;
    expect((await open('hf:me/private')).repo).toBe('me/private');
    delete process.env.HF_TOKEN;
    mkdirSync(process.env.HF_HOME!, { recursive: true });
    writeFileSync(join(process.env.HF_HOME!, 'token'), `${GOOD_TOKEN}\n`);
    expect((await open('hf:me/private')).repo).toBe('me/private');
    process.env.HF_TOKEN = 'two words';
    const message = await failure(open());
    expect(message).toMatch(/^HF_TOKEN: expected a token/);
    expect(message).not.toContain('two words');
  });

  test('a gated model: accept its conditions', async () => {
    sandbox.add('meta/gated', { 'config.json': { bytes: pattern(5) } }, { gated: true });
    const folder = await open('hf:meta/gated');
    expect(await failure(folder.readText('config.json'))).toBe(
      `access to meta/gated is restricted: accept its conditions on the hub (${hub.endpoint}/meta/gated) and set HF_TOKEN`,
    );
    process.env.HF_TOKEN = OTHER_TOKEN;
    expect(await failure((await open('hf:meta/gated')).open('config.json'))).toBe(
      `access to meta/gated is restricted: accept its conditions on ${hub.endpoint}/meta/gated with the account whose ` +
        'token is in HF_TOKEN, or use another token',
    );
    process.env.HF_TOKEN = GOOD_TOKEN;
    expect((await (await open('hf:meta/gated')).open('config.json')).size).toBe(5);
  });

  test('no such model, a private one, no such revision, a bad token', async () => {
    expect(await failure(open('hf:google/none'))).toBe(
      `google/none: there is no such model on ${hub.endpoint}; check the name (is it private? set HF_TOKEN)`,
    );
    expect(await failure(open('hf:google/none', { token: OTHER_TOKEN }))).toMatch(
      /check the name \(is it private, and not open to your token\?\)$/,
    );
    expect(await failure(open('hf:google/vit@none'))).toMatch(
      /^google\/vit: has no revision "none"; see http/,
    );
    expect(await failure(open('hf:google/vit', { token: 'hf_bad' }))).toMatch(
      /^the hub refuses the token in the option token: it is wrong or has expired; make a new one on http.*\/settings\/tokens/,
    );
    expect(hub.seen).toHaveLength(4);
  });

  test('a file that goes away between list and download, a plain 403 with its reason', async () => {
    const folder = await open();
    hub.faults.push(status(404, { 'x-error-code': 'EntryNotFound' }));
    expect(await failure(folder.open('model.safetensors'))).toBe(
      `google/vit: has no file "model.safetensors" at revision "${COMMIT}"`,
    );
    hub.faults.push(status(403, { 'x-error-message': 'Access to this resource is disabled.' }));
    expect(await failure(folder.open('model.safetensors'))).toBe(
      'google/vit: the hub answered 403 Forbidden: "Access to this resource is disabled."',
    );
    await expectWeights(folder); // a failure is not remembered
  });
});

describe('bad connections', () => {
  test('a connection that is cut again and again is taken up where it was cut', async () => {
    hub.cdnFaults.push(cut(70_000), cut(70_000), cut(70_000), cut(70_000));
    await expectWeights(await open());
    const ranges = hub.seen.filter(({ host }) => host === 'cdn').map(({ headers }) => headers.range);
    expect(ranges).toEqual([undefined, ...[70, 140, 210, 280].map((k) => `bytes=${k}000-`)]);
    expect(existsSync(`${weightsBlob()}.partial`)).toBe(false);
  });

  test('what came stays for the next run', async () => {
    hub.cdnFaults.push(cut(100_000), ...Array(3).fill(cut(0)));
    expect(await failure(bytesOf(await open()))).toMatch(
      /(the connection was cut|terminated|closed).*, and further tries got no more than 100000 of 300000 bytes; run it again/,
    );
    expect(statSync(`${weightsBlob()}.partial`).size).toBe(100_000);
    expect(existsSync(weightsBlob())).toBe(false);
    expect(existsSync(`${weightsBlob()}.lock`)).toBe(false);
    await expectWeights(await open());
    expect(hub.seen.at(-1)!.headers.range).toBe('bytes=100000-');
  });

  test('a server that stops sending, before or after the first byte', async () => {
    const silent: Handler = () => {};
    const half: Handler = (_, response) => {
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 1000));
    };
    hub.cdnFaults.push(half, silent);
    const notices: string[] = [];
    const folder = await open('hf:google/vit', { stallMs: 200, onNotice: (line) => notices.push(line) });
    await expectWeights(folder);
    expect(notices).toEqual(Array(2).fill('nothing came for 0 s; next try in 0.0 s'));
    expect(hub.seen.at(-1)!.headers.range).toBe('bytes=1000-');
  });

  test('a slow server is not a stalled one', async () => {
    const slow: Handler = (_, response) => {
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      const send = (at: number) => {
        if (at >= WEIGHTS.length) return void response.end();
        response.write(WEIGHTS.subarray(at, at + 30_000));
        setTimeout(send, 60, at + 30_000);
      };
      send(0);
    };
    hub.cdnFaults.push(slow);
    await expectWeights(await open('hf:google/vit', { stallMs: 300 }));
    expect(hub.seen.filter(({ host }) => host === 'cdn')).toHaveLength(1);
  });

  test('busy servers: 503, 429 with Retry-After, and one that asks for too long a wait', async () => {
    const notices: string[] = [];
    hub.faults.push(status(503), status(429, { 'retry-after': '1' }));
    const start = performance.now();
    await open('hf:google/vit', { onNotice: (line) => notices.push(line) });
    expect(performance.now() - start).toBeGreaterThan(990);
    expect(notices).toEqual([
      'the server answered 503 Service Unavailable; next try in 0.0 s',
      'the server answered 429 Too Many Requests; next try in 1.0 s',
    ]);
    hub.faults.push(status(429, { 'retry-after': '3600' }));
    expect(await failure(open('hf:google/vit@v1'))).toMatch(
      /429 Too Many Requests and asks to wait 3600 s; try again then$/,
    );
    hub.faults.push(...Array(4).fill(status(500)));
    expect(await failure(open('hf:google/vit@v1'))).toMatch(
      /the server answered 500 Internal Server Error, and further tries failed too; try again later$/,
    );
  });

  test('no server: said at once', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => closed.once('listening', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    expect(await failure(open('hf:google/vit', { endpoint: `http://127.0.0.1:${port}` }))).toMatch(
      /cannot be reached \(the connection was refused\); check the network and HF_ENDPOINT$/,
    );
    expect(await failure(open('hf:google/vit', { endpoint: 'http://nowhere.invalid' }))).toMatch(
      /cannot be reached \(the host is not found/,
    );
  });

  test('ranges that are refused: 416, another length, no ranges at all', async () => {
    const wrongPart: Handler = (_, response) =>
      response.writeHead(206, { 'content-range': 'bytes 5-9/10', 'content-length': 5 }).end('12345');
    const whole: Handler = (_, response) =>
      response.writeHead(200, { 'content-length': WEIGHTS.length }).end(WEIGHTS);
    for (const bad of [status(416), wrongPart, whole]) {
      sandbox.reset();
      hub.cdnFaults.push(cut(100_000), bad);
      await expectWeights(await open());
    }
  });

  test('an abort ends the download with its reason, and leaves what came', async () => {
    const stop = new AbortController();
    const hanging: Handler = (_, response) => {
      response.writeHead(200, { 'content-length': WEIGHTS.length });
      response.write(WEIGHTS.subarray(0, 50_000));
    };
    hub.cdnFaults.push(hanging);
    const folder = await open('hf:google/vit', {
      signal: stop.signal,
      onProgress: ({ loadedBytes }) => loadedBytes === 50_000 && stop.abort(),
    });
    await expect(folder.open('model.safetensors')).rejects.toMatchObject({ name: 'AbortError' });
    expect(statSync(`${weightsBlob()}.partial`).size).toBe(50_000);
    expect(existsSync(`${weightsBlob()}.lock`)).toBe(false);
    await expect(open('hf:google/vit', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

describe('wrong answers', () => {
  const other = WEIGHTS.map((byte) => byte ^ 1);

  test('other bytes of the same length: nothing is kept', async () => {
    hub.cdnFaults.push((request, response) => sendRange(request, response, other, '"x"'));
    expect(await failure(bytesOf(await open()))).toBe(
      `${hub.endpoint}/google/vit/resolve/${COMMIT}/model.safetensors: the hub says that its sha256 is ` +
        `${sha256(WEIGHTS)}, what was sent has ${sha256(other)}; it is damaged or another file, nothing was kept`,
    );
    expect(existsSync(weightsBlob())).toBe(false);
    expect(existsSync(`${weightsBlob()}.partial`)).toBe(false);
  });

  test("a text with another hash than Git's", async () => {
    const folder = await open();
    const changed = new TextEncoder().encode(CONFIG.replace('1', '2'));
    hub.faults.push((request, response) => sendRange(request, response, changed, '"x"'));
    expect(await failure(folder.readText('config.json'))).toMatch(/its git-sha1 is .*, what was sent has/);
  });

  test('a damaged beginning from an earlier run is thrown away', async () => {
    await open();
    mkdirSync(join(weightsBlob(), '..'), { recursive: true });
    writeFileSync(`${weightsBlob()}.partial`, other.subarray(0, 1000));
    const notices: string[] = [];
    const folder = await open('hf:google/vit', { onNotice: (line) => notices.push(line) });
    await expectWeights(folder);
    expect(notices).toEqual([
      'model.safetensors: the hash is wrong; what an earlier run had left is thrown away',
    ]);
    const ranges = hub.seen.filter(({ host }) => host === 'cdn').map(({ headers }) => headers.range);
    expect(ranges).toEqual(['bytes=1000-', undefined]);
  });

  test('a beginning that is whole needs its name only; one that is too long is begun again', async () => {
    await open();
    mkdirSync(join(weightsBlob(), '..'), { recursive: true });
    writeFileSync(`${weightsBlob()}.partial`, WEIGHTS);
    hub.seen.length = 0;
    await expectWeights(await open());
    expect(hub.seen).toHaveLength(1);
    truncateSync(weightsBlob(), 10); // a damaged blob is found by its length
    writeFileSync(`${weightsBlob()}.partial`, new Uint8Array(WEIGHTS.length + 5));
    await expectWeights(await open());
  });

  test('an LFS pointer in place of the file, by a mirror or in the repository', async () => {
    const pointer = lfsPointer(WEIGHTS);
    hub.cdnFaults.push((request, response) => sendRange(request, response, pointer, '"x"'));
    expect(await failure(bytesOf(await open()))).toMatch(
      /the server sent a Git LFS pointer and not the file itself; it has not got the file's content/,
    );
    sandbox.add('bad/pointer', { 'model.safetensors': { bytes: pointer } });
    expect(await failure(bytesOf(await open('hf:bad/pointer')))).toBe(
      'bad/pointer/model.safetensors: is a Git LFS pointer and not the file itself; the repository has the pointer in ' +
        'place of the file; tell its owner',
    );
  });

  test('web pages', async () => {
    const page: Handler = (_, response) =>
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end('<!doctype html>');
    hub.faults.push(page);
    expect(await failure(open())).toMatch(
      /the server answered with a web page and not with a file; is there a/,
    );
    hub.cdnFaults.push(page);
    expect(await failure(bytesOf(await open()))).toMatch(/the server answered with a web page/);
  });

  test('wrong lengths', async () => {
    const folder = await open();
    hub.cdnFaults.push((request, response) => sendRange(request, response, WEIGHTS.subarray(0, 2000), '"x"'));
    expect(await failure(bytesOf(folder))).toMatch(
      /expected 300000 bytes as the hub lists, the server sends 2000$/,
    );
    hub.cdnFaults.push((_, response) => {
      response.writeHead(200); // without a length
      response.end(pattern(WEIGHTS.length + 5));
    });
    expect(await failure(bytesOf(folder))).toMatch(
      /sends more than the 300000 bytes that the file has; nothing/,
    );
    expect(existsSync(`${weightsBlob()}.partial`)).toBe(false);
  });

  test('another commit or another file than was asked for', async () => {
    const folder = await open();
    hub.faults.push(status(200, { 'x-repo-commit': 'd'.repeat(40) }));
    expect(await failure(bytesOf(folder))).toMatch(
      /expected a file of commit a{40}, the server sends one of "d{40}"/,
    );
    hub.faults.push(status(200, { 'x-linked-etag': `"${'e'.repeat(64)}"` }));
    expect(await failure(bytesOf(folder))).toMatch(/the server sends the one with e{64}$/);
  });

  test('an answer compressed on the way', async () => {
    const packed = gzipSync(CONFIG);
    const folder = await open();
    hub.faults.push((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed),
    );
    expect(await folder.readText('config.json')).toBe(CONFIG);
  });
});

describe('a hub whose list has no sizes and hashes', () => {
  test('the hash of a file in LFS comes with the file', async () => {
    hub.bare = true;
    const folder = await open();
    await expectWeights(folder);
    expect(existsSync(weightsBlob())).toBe(true);
    expect(paths().slice(1)).toEqual([
      `HEAD hub /google/vit/resolve/${COMMIT}/model.safetensors`,
      `GET hub /google/vit/resolve/${COMMIT}/model.safetensors`,
      `GET cdn /${sha256(WEIGHTS)}`,
    ]);
    sandbox.reset();
    hub.bare = true;
    hub.cdnFaults.push((request, response) =>
      sendRange(
        request,
        response,
        WEIGHTS.map((byte) => byte ^ 1),
        '"x"',
      ),
    );
    expect(await failure(bytesOf(await open()))).toMatch(/its sha256 is/);
  });

  test('without a hash, halves are joined only if the server says that they are of one file', async () => {
    hub.bare = true;
    const text = pattern(900);
    sandbox.add('no/hash', { 'a.bin': { bytes: text } });
    const cutHere =
      (etag: string): Handler =>
      (_, response) => {
        response.writeHead(200, { etag, 'content-length': 900 });
        response.write(text.map((byte) => byte ^ 1).subarray(0, 500), () => response.socket!.end());
      };
    const folder = await open('hf:no/hash');
    // HEAD first, then a strong ETag, to be sent back as If-Range: another version by now, so all of it comes again.
    const head: Handler = (request, response) => sendRange(request, response, text, '"v1"');
    hub.faults.push(head, cutHere('"v1"'));
    expect(await bytesOf(folder, 'a.bin')).toEqual(text);
    expect(hub.seen.at(-1)!.headers).toMatchObject({ range: 'bytes=500-', 'if-range': '"v1"' });
    sandbox.reset();
    hub.bare = true;
    // A weak one says nothing: begun again.
    sandbox.add('no/hash', { 'a.bin': { bytes: text } });
    const again = await open('hf:no/hash');
    hub.faults.push(head, cutHere('W/"v1"'));
    expect(await bytesOf(again, 'a.bin')).toEqual(text);
    expect(hub.seen.at(-1)!.headers.range).toBeUndefined();
  });
});

describe('offline', () => {
  test('what is kept is used and nothing is asked; what is missing is named', async () => {
    expect(await failure(open('hf:google/vit', { offline: true }))).toMatch(
      /^google\/vit: revision main is not in the cache, and the hub is not asked because offline mode is on; unset HF_HUB/,
    );
    await (await open()).readText('config.json');
    hub.seen.length = 0;
    for (const variable of ['HF_HUB_OFFLINE', 'DEIT_OFFLINE']) {
      process.env[variable] = '1';
      const folder = await open();
      expect(await folder.readText('config.json')).toBe(CONFIG);
      expect(await folder.readText('preprocessor_config.json')).toBeUndefined();
      expect(await failure(folder.open('model.safetensors'))).toMatch(
        /^google\/vit: model\.safetensors at commit a{12} is not in the cache, and the hub is not asked/,
      );
      expect(folder.notes).toEqual([]);
      delete process.env[variable];
    }
    expect(hub.seen).toEqual([]);
  });

  test('a hub that cannot be reached: the copy serves, and it is said', async () => {
    await bytesOf(await open());
    hub.faults.push(status(503), status(503));
    const folder = await open();
    await expectWeights(folder);
    expect(folder.notes).toEqual([
      expect.stringMatching(
        /^google\/vit: the hub cannot be asked \(.* 503 .*\); revision main is taken from the cache, as the hub had it on \d{4}-\d\d-\d\d, at commit a{12}$/,
      ),
    ]);
    hub.faults.push(status(401, { 'x-error-code': 'RepoNotFound' })); // no longer ours: no copy is shown
    expect(await failure(open())).toMatch(/there is no such model/);
  });
});

describe("the cache of Hugging Face's own libraries", () => {
  const home = () => join(process.env.HF_HOME!, 'hub/models--google--vit');
  beforeEach(() => {
    const snapshot = join(home(), 'snapshots', COMMIT);
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(home(), 'blobs'));
    mkdirSync(join(home(), 'refs'));
    mkdirSync(join(home(), '.no_exist', COMMIT), { recursive: true });
    writeFileSync(join(home(), '.no_exist', COMMIT, 'model.safetensors.index.json'), '');
    writeFileSync(join(home(), 'refs/main'), COMMIT);
    writeFileSync(join(home(), 'blobs', sha256(WEIGHTS)), WEIGHTS);
    symlinkSync(`../../blobs/${sha256(WEIGHTS)}`, join(snapshot, 'model.safetensors'));
    const config = new TextEncoder().encode(CONFIG);
    writeFileSync(join(home(), 'blobs', gitSha1(config)), config);
    symlinkSync(`../../blobs/${gitSha1(config)}`, join(snapshot, 'config.json'));
  });

  test('its files are not downloaded again, and nothing is written there', async () => {
    const before = readFileSync(join(home(), 'refs/main'), 'utf8');
    const folder = await open();
    await expectWeights(folder);
    expect(await folder.readText('config.json')).toBe(CONFIG);
    expect(paths()).toEqual(['GET hub /api/models/google/vit/revision/main?blobs=true']);
    expect(readFileSync(join(home(), 'refs/main'), 'utf8')).toBe(before);
    expect(existsSync(weightsBlob())).toBe(false);
  });

  test('offline it serves; a file that it does not have is said, unless it is known not to be there', async () => {
    const folder = await open('hf:google/vit', { offline: true });
    expect(folder.commit).toBe(COMMIT);
    expect(await folder.list()).toEqual(['config.json', 'model.safetensors']);
    await expectWeights(folder);
    expect(await folder.readText('model.safetensors.index.json')).toBeUndefined();
    expect(folder.notes).toEqual([]);
    expect(await folder.readText('preprocessor_config.json')).toBeUndefined();
    expect(folder.notes).toEqual([
      "google/vit: preprocessor_config.json is not in the cache of Hugging Face's own libraries, and the hub was not " +
        'asked; taken as not there',
    ]);
    expect(await failure(folder.open('sub/a b.bin'))).toMatch(/sub\/a b\.bin is not in the cache; unset/);
    expect((await open(`hf:google/vit@${COMMIT}`, { offline: true })).commit).toBe(COMMIT);
    expect(hub.seen).toEqual([]);
  });

  test('a blob of another length, and a link that leads out, are left aside', async () => {
    truncateSync(join(home(), 'blobs', sha256(WEIGHTS)), 100);
    await expectWeights(await open());
    expect(existsSync(weightsBlob())).toBe(true);
    sandbox.reset();
    const snapshot = join(home(), 'snapshots', COMMIT);
    mkdirSync(snapshot, { recursive: true });
    mkdirSync(join(home(), 'refs'));
    writeFileSync(join(home(), 'refs/main'), COMMIT);
    writeFileSync(join(sandbox.root, 'secret'), CONFIG);
    symlinkSync(join(sandbox.root, 'secret'), join(snapshot, 'config.json'));
    const folder = await open('hf:google/vit', { offline: true });
    expect(await failure(folder.readText('config.json'))).toMatch(/is not in the cache/);
  });
});

describe('a cache that cannot be written', () => {
  // The superuser may write everywhere; a folder whose place a file takes is refused to everyone.
  const block = () => {
    mkdirSync(sandbox.cacheDir, { recursive: true });
    writeFileSync(join(sandbox.cacheDir, 'hub'), '');
  };

  test('what must be kept says so, with the remedy', async () => {
    block();
    const folder = await open();
    expect(await folder.list()).toContain('model.safetensors');
    expect(await failure(folder.open('model.safetensors'))).toMatch(
      /blobs.*: a part of its path is a file and not a folder; set DEIT_CACHE to another folder$/,
    );
  });

  test('a read-only cache serves what it has', async () => {
    await bytesOf(await open());
    const model = join(sandbox.cacheDir, 'hub/models/google/vit');
    const folders = ['blobs', 'refs', 'commits', '.'].map((name) => join(model, name));
    for (const each of folders) chmodSync(each, 0o555);
    try {
      await expectWeights(await open());
      if (process.getuid?.() !== 0) {
        expect(await failure((await open()).readText('config.json'))).toMatch(
          /no permission to write there; set/,
        );
      }
    } finally {
      for (const each of folders) chmodSync(each, 0o755);
    }
  });

  test('a full disk is said', async () => {
    if (!existsSync('/dev/full')) return;
    const folder = await open();
    mkdirSync(join(weightsBlob(), '..'), { recursive: true });
    symlinkSync('/dev/full', `${weightsBlob()}.partial`);
    expect(await failure(folder.open('model.safetensors'))).toMatch(
      /\.partial: the disk is full; free some space \(see deit cache list\) and run it again to go on from there/,
    );
  });

  test('a file larger than the disk is refused before it comes', async () => {
    const listing = JSON.stringify({
      sha: COMMIT,
      siblings: [
        {
          rfilename: 'model.safetensors',
          size: 2 ** 53 - 1,
          lfs: { sha256: 'f'.repeat(64), size: 2 ** 53 - 1 },
        },
      ],
    });
    hub.faults.push((_, response) => response.end(listing));
    const folder = await open();
    expect(await failure(folder.open('model.safetensors'))).toMatch(
      /needs 9007199254\.7 MB more, the disk has [\d.]+ MB free; free some space/,
    );
    expect(hub.seen).toHaveLength(1);
  });
});
