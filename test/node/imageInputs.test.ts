/** Images as a Node program has them: each kind gives the pixels of the same file. */
import { createReadStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { type ClassifyInput, toRgb } from '../../src/models/classify.js';
import { createModel, decodeImage } from '../../src/node/index.js';
import { testImage } from '../image/images.js';

const folder = mkdtempSync(join(tmpdir(), 'deit-inputs-'));
const path = join(folder, 'an image%20#1.png');
let bytes: Buffer;
let server: Server;
let address: string;
const pixels = testImage(31, 17);

beforeAll(async () => {
  const { data, width, height } = pixels;
  await sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toFile(path);
  bytes = readFileSync(path);
  server = createServer((request, response) => {
    if (request.url === '/image.png') response.end(bytes);
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterAll(() => {
  server.close();
  server.closeAllConnections();
  rmSync(folder, { recursive: true });
});

/** Percent-encoded, as few characters as must be. */
const percent = (data: Buffer) => [...data].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

const kinds: Record<string, () => ClassifyInput | Promise<ClassifyInput>> = {
  'a path': () => path,
  'a file: URL': () => pathToFileURL(path),
  'a file: text': () => pathToFileURL(path).href,
  'an http: text': () => `${address}/image.png`,
  'an http: URL': () => new URL('/image.png', address),
  'a data: text in base64': () => `data:image/png;base64,${bytes.toString('base64')}`,
  'a data: text in percents': () => `DATA:,${percent(bytes)}`,
  'a data: URL': () => new URL(`data:image/png;base64,${bytes.toString('base64')}`),
  'a Buffer': () => bytes,
  'a Uint8Array in the middle of a buffer': () => {
    const larger = new Uint8Array(bytes.length + 20);
    larger.set(bytes, 7);
    return larger.subarray(7, 7 + bytes.length);
  },
  'an ArrayBuffer': () => new Uint8Array(bytes).buffer,
  'a SharedArrayBuffer': () => {
    const shared = new SharedArrayBuffer(bytes.length);
    new Uint8Array(shared).set(bytes);
    return shared;
  },
  'a Blob': () => new Blob([new Uint8Array(bytes)]),
  'a File': () => new File([new Uint8Array(bytes)], 'upload.png'),
  'a Response': () => fetch(`${address}/image.png`),
  'a stream of Node': () => createReadStream(path, { highWaterMark: 100 }),
  'a stream of chunks': () => Readable.from([bytes.subarray(0, 10), bytes.subarray(10)]),
  'a stream of the web': () => new Blob([new Uint8Array(bytes)]).stream(),
  'a sharp instance': () => sharp(bytes),
  'a sharp instance with alpha': () => sharp(path).ensureAlpha(),
  pixels: () => pixels,
};

test.each(Object.entries(kinds))('%s', async (_, make) => {
  const { data, width, height } = await toRgb(await make());
  expect([width, height]).toEqual([31, 17]);
  expect(Buffer.from(data).equals(Buffer.from(pixels.data))).toBe(true);
});

test('a sharp pipeline gives the pixels of its end, and can be used again', async () => {
  const pipeline = sharp(bytes).resize(8, 6).greyscale();
  const { data, width, height } = await toRgb(pipeline);
  expect([width, height, data.length]).toEqual([8, 6, 3 * 48]);
  const { data: grey } = await pipeline.clone().raw().toBuffer({ resolveWithObject: true });
  expect([...data].filter((_, i) => i % 3 === 1)).toEqual(
    [...grey].filter((_, i) => i % (grey.length / 48) === 0),
  );
});

test('classify takes an array of kinds', async () => {
  const model = createModel(
    { embedDim: 16, depth: 1, numHeads: 2, numClasses: 3, patchSize: 8 },
    { imgSize: 16 },
  );
  const one = await model.classify(path);
  const all = await Promise.all(Object.values(kinds).map((make) => make()));
  expect(await model.classify(all)).toEqual(all.map(() => one));
  model.dispose();
});

describe('errors of one line', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['no file', () => join(folder, 'none.png'), /none\.png: no such file$/],
    ['no file behind a URL', () => new URL('file:///none.png'), /^\/none\.png: no such file$/],
    ['404', () => `${address}/none.png`, /\/none\.png: the server answered 404 Not Found$/],
    ['404 as a Response', () => fetch(`${address}/none.png`), /\/none\.png: the server answered 404$/],
    ['another protocol', () => 'ftp://example.org/a.png', /^ftp:.*: images are read from paths and file:/],
    ['no image', () => new Blob(['text']), /^image: not an image that can be read/],
    ['no image in a File', () => new File(['text'], 'a.txt'), /^a\.txt: not an image that can be read/],
    ['a damaged data: URL', () => 'data:image/png;base64,!!!', /^the data: URL is not base64, as it says$/],
    ['a data: URL of nothing', () => 'data:image/png', /^the data: URL has no comma before its data$/],
    ['a stream of texts', () => Readable.from(['a', 'b']), /^the stream: gives the text "a", expected bytes/],
    ['a broken stream', () => Readable.from(failing()), /^the stream: cannot be read \(broken off\)$/],
    ['a used Response', usedResponse, /its body has been read already$/],
    ['a sharp instance of nothing', () => sharp(Buffer.from('text')), /^the sharp instance gives no pixels/],
    [
      'a sharp instance of an animation',
      () => sharp([path, path, path], { join: { animated: true } }),
      /^the sharp instance gives 3 images, one below the other; choose one of them: sharp\(input, \{ page: 0 \}\)$/,
    ],
    ['an empty text', () => '', /^the path of an image is an empty text$/],
    ['a path with a NUL', () => '/a\0b.png', /: no path: it holds a character NUL$/],
    ['a path with a line end', () => '/a\nb.png', /^\/a b\.png: no such file$/],
    ['a transferred buffer', () => transferred().buffer, /were transferred to another thread/],
    ['bytes of a transferred buffer', () => transferred(), /were transferred to another thread/],
    ['a number', () => 42, /^an image is expected, got the number 42; give a path, a URL \(file:, http:/],
    ['an object', () => ({ path }), /^an image is expected, got an object with path; give a path/],
  ])('%s', async (_, make, message) => {
    const error = await toRgb((await make()) as ClassifyInput).then(
      () => undefined,
      (reason: Error) => reason,
    );
    expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
    expect(error!.message).not.toContain('\n');
  });
});

test('decodeImage gives what classify sees', async () => {
  expect(Buffer.from((await decodeImage(path)).data).equals(Buffer.from(pixels.data))).toBe(true);
});

async function* failing() {
  yield new Uint8Array(3);
  throw new Error('broken off');
}

function transferred() {
  const view = new Uint8Array(bytes);
  structuredClone(view, { transfer: [view.buffer] });
  return view;
}

async function usedResponse() {
  const response = await fetch(`${address}/image.png`);
  await response.arrayBuffer();
  return response;
}
