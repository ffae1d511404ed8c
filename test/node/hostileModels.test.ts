/** Folders and servers that mean harm, or are broken: one line after two seconds of work at most, and little memory. */
import { execFileSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { fetchFile } from '../../src/models/fetchFile.js';
import type { LoadOptions } from '../../src/models/load.js';
import { createModel, load, saveModel } from '../../src/node/index.js';
import { NO_WAIT, timed } from '../timed.js';

const root = mkdtempSync(join(tmpdir(), 'deit-hostile-'));
const good = join(root, 'good');
const servers: Server[] = [];

beforeAll(async () => {
  const model = createModel(
    { embedDim: 16, depth: 1, numHeads: 2, numClasses: 3, patchSize: 8 },
    { imgSize: 16 },
  );
  await saveModel(model, good);
  model.dispose();
});

afterAll(() => {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  rmSync(root, { recursive: true, force: true });
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Loads; the error, which must be a UserError of one line, after two seconds of work and 256 MB at most. */
async function refusal(source: string, options: LoadOptions = {}): Promise<string> {
  const memory = process.memoryUsage().rss;
  const {
    value: error,
    busy,
    passed,
  } = await timed(() =>
    load(source, { backend: 'wasm', ...options }).then(
      () => undefined,
      (reason: Error) => reason,
    ),
  );
  expect(error).toMatchObject({ name: 'UserError' });
  expect(error!.message).not.toMatch(/\n/);
  expect(busy).toBeLessThan(2);
  expect(passed).toBeLessThan(NO_WAIT);
  expect(process.memoryUsage().rss - memory).toBeLessThan(256e6);
  return error!.message;
}

describe('folders', () => {
  /** A copy of the good folder, changed. */
  const changed = (name: string, change: (folder: string) => void) => {
    const folder = join(root, name);
    cpSync(good, folder, { recursive: true });
    change(folder);
    return folder;
  };
  const replace = (file: string, make: (path: string) => void) => (folder: string) => {
    rmSync(join(folder, file));
    make(join(folder, file));
  };
  const pipe = (path: string) => execFileSync('mkfifo', [path]);

  test.each<[string, (folder: string) => void, RegExp]>([
    [
      'a pipe for model.json',
      replace('model.json', pipe),
      /model\.json: is not a regular file; give a folder/,
    ],
    ['a pipe for the weights', replace('weights.bin', pipe), /weights\.bin: is not a regular file; convert/],
    [
      'a device for model.json',
      replace('model.json', (path) => symlinkSync('/dev/zero', path)),
      /is not a regular file/,
    ],
    [
      'a device for the weights',
      replace('weights.bin', (path) => symlinkSync('/dev/zero', path)),
      /is not a regular file/,
    ],
    ['a folder for the weights', replace('weights.bin', (path) => mkdirSync(path)), /is not a regular file/],
    ['no weights', (folder) => rmSync(join(folder, 'weights.bin')), /weights\.bin: is missing; convert/],
    [
      'weights without end',
      (folder) => truncateSync(join(folder, 'weights.bin'), 2 ** 40),
      /weight files are longer than/,
    ],
    [
      'short weights',
      (folder) => truncateSync(join(folder, 'weights.bin'), 100),
      /weight files are shorter than/,
    ],
    [
      'a huge model.json',
      (folder) => truncateSync(join(folder, 'model.json'), 2 ** 40),
      /model\.json: has 1099511627776 bytes, at most/,
    ],
    [
      'a deep model.json',
      (folder) => writeFileSync(join(folder, 'model.json'), '['.repeat(5e6)),
      /model\.json is not JSON/,
    ],
  ])('%s', async (name, change, message) => {
    expect(await refusal(changed(name, change))).toMatch(message);
  });

  test('a pipe for the model itself', async () => {
    const path = join(root, 'pipe.pth');
    pipe(path);
    expect(await refusal(path)).toMatch(/pipe\.pth: expected a checkpoint file, found a pipe/);
    expect(await refusal('/dev/zero')).toMatch(/^\/dev\/zero: expected a checkpoint file, found a device/);
  });

  test('a loop of links', async () => {
    const folder = changed(
      'loop',
      replace('model.json', (path) => symlinkSync('model.json', path)),
    );
    expect(await refusal(folder)).toMatch(/model\.json: cannot be read \(ELOOP\)/);
  });
});

describe('servers', () => {
  const files: Record<string, Buffer> = {};
  beforeAll(() => {
    for (const name of ['model.json', 'weights.bin']) files[`/${name}`] = readFileSync(join(good, name));
  });
  const answer: RequestListener = (request, response) => {
    const file = files[request.url!];
    if (file) response.setHeader('Content-Length', file.length).end(file);
    else response.writeHead(404).end();
  };
  /** Bytes without end; the client is to hang up. */
  const endless: RequestListener = (_, response) => {
    const chunk = Buffer.alloc(2 ** 20, 32);
    const more = () => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on('drain', more);
    more();
  };
  /** The good files, but for one of them. */
  const butFor = (path: string, other: RequestListener) =>
    serve((request, response) => (request.url === path ? other : answer)(request, response));

  test('a good one is read', async () => {
    const model = await load(await serve(answer), { backend: 'wasm' });
    expect(model.config.embedDim).toBe(16);
    model.dispose();
  });

  test.each(['/model.json', '/weights.bin'])('%s without end', async (path) => {
    const message = /sends more than the \d+ bytes that are expected; check the address$/;
    expect(await refusal(await butFor(path, endless))).toMatch(message);
  });

  test.each(['/model.json', '/weights.bin'])('%s compressed, of a thousandth of its length', async (path) => {
    const bomb = gzipSync(Buffer.alloc(2 ** 28, 32));
    const url = await butFor(path, (_, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip', 'Content-Length': bomb.length }).end(bomb);
    });
    expect(await refusal(url)).toMatch(/sends more than the \d+ bytes that are expected; check the address$/);
  });

  test('a length that is far too large is refused before the body', async () => {
    const url = await butFor('/weights.bin', (_, response) => {
      response.writeHead(200, { 'Content-Length': 2 ** 40 }).write('a');
    });
    expect(await refusal(url)).toMatch(/sends more than the \d+ bytes that are expected/);
  });

  test('a server that falls silent', async () => {
    const url = await butFor('/weights.bin', (_, response) => {
      response.writeHead(200, { 'Content-Length': 1000 }).write('a');
    });
    const fetchFor: LoadOptions['fetchFile'] = (address, options) =>
      fetchFile(address, { ...options, stallMs: 300 });
    expect(await refusal(url, { fetchFile: fetchFor })).toMatch(
      /^http:\/\/.*\/weights\.bin: the server sent nothing for 0\.3 s; check the network/,
    );
    const never = await serve(() => {});
    await expect(fetchFile(never, { stallMs: 300 })).rejects.toThrow(/the server sent nothing for 0\.3 s/);
  });

  test('a slow server that goes on sending is waited for', async () => {
    const url = await serve((_, response) => {
      let left = 5;
      response.writeHead(200, { 'Content-Length': left });
      const timer = setInterval(() => (left-- > 0 ? response.write('a') : clearInterval(timer)), 150);
    });
    expect((await fetchFile(url, { stallMs: 500 })).length).toBe(5);
  });

  test('a redirect within the host is followed, to another host only where asked', async () => {
    const other = await serve(answer);
    const redirects = (to: string) => (request: { url?: string }, response: Parameters<RequestListener>[1]) =>
      response.writeHead(302, { Location: to + request.url!.replace('/old', '') }).end();
    const within = await serve((request, response) =>
      (request.url!.startsWith('/old') ? redirects('') : answer)(request, response as never),
    );
    (await load(`${within}/old`, { backend: 'wasm' })).dispose();
    const away = await serve(redirects(other));
    expect(await refusal(away)).toMatch(
      /\/model\.json: the server redirects to another host, 127\.0\.0\.1:\d+; give the address there, or redirects: 'any'$/,
    );
    (await load(away, { backend: 'wasm', redirects: 'any' })).dispose();
    const file = await serve(redirects('file:///etc'));
    expect(await refusal(file)).toMatch(/redirects to another host/);
    const around: string = await serve((_, response) => response.writeHead(302, { Location: '/' }).end());
    expect(await refusal(around)).toMatch(/redirects more than 5 times/);
  });

  test('fetchFile is used in Node', async () => {
    const asked: string[] = [];
    const fetchFor: LoadOptions['fetchFile'] = async (url) => {
      asked.push(url);
      return new Uint8Array(files[new URL(url).pathname]!);
    };
    (await load('https://models.example/', { backend: 'wasm', fetchFile: fetchFor })).dispose();
    expect(asked).toEqual(['https://models.example/model.json', 'https://models.example/weights.bin']);
  });

  test('an abort ends a download with AbortError', async () => {
    const url = await butFor('/weights.bin', (_, response) => {
      response.writeHead(200, { 'Content-Length': 1000 }).write('a');
    });
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 200);
    await expect(load(url, { backend: 'wasm', signal: abort.signal })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });
});

test('unknown options of load are errors that name the nearest', async () => {
  const wrong = { backed: 'wasm' } as LoadOptions;
  expect(await refusal(good, wrong)).toBe('load has no option "backed"; did you mean backend?');
  const convert = { numHead: 3 } as LoadOptions['convert'];
  expect(await refusal('test/fixtures/models/facebook.pth', { convert })).toBe(
    'convert has no option "numHead"; did you mean numHeads?',
  );
  await expect(load(42 as unknown as string)).rejects.toThrow(
    /^load takes an address, or the bytes of a checkpoint/,
  );
});
