import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import { addressKind, looksLikeCheckpoint } from '../../src/models/address.js';
import { fetchFile } from '../../src/models/fetchFile.js';
import { load } from '../../src/node/index.js';

const CHECKPOINT = 'examples/digits/deit_digits_distilled.pth';

test.each([
  ['blob:https://a.org/7c5b', 'checkpoint'],
  ['data:application/octet-stream;base64,UEs=', 'checkpoint'],
  ['/model_best.pth.tar', 'checkpoint'],
  ['https://a.org/deit.PTH?download=true', 'checkpoint'],
  ['https://a.org/get?file=deit.safetensors', 'checkpoint'],
  ['last.ckpt#top', 'checkpoint'],
  ['https://a.org/digits/', 'folder'],
  ['digits/model.json?v=2', 'folder'],
  ['model.json', 'folder'],
  ['https://a.org/digits', 'unknown'],
  ['https://a.org/v1.2', 'unknown'],
  ['https://a.org/mymodel.json', 'unknown'],
])('%s: %s', (address, kind) => {
  expect(addressKind(address)).toBe(kind);
});

test('a checkpoint is known by its first bytes, and nothing else is taken for one', () => {
  for (const file of ['facebook.pth', 'timm_distilled.safetensors'])
    expect(looksLikeCheckpoint(readFileSync(`test/fixtures/models/${file}`))).toBe(true);
  for (const text of ['{"format": "layers-model"}', '<!doctype html>', '', 'PDF-1.7 a b c', '\x80'])
    expect(looksLikeCheckpoint(Buffer.from(text))).toBe(false);
});

test('a data: URL loads in Node too', async () => {
  const url = `data:application/octet-stream;base64,${readFileSync(CHECKPOINT).toString('base64')}`;
  const model = await load(url, { backend: 'wasm' });
  expect(model.config.numClasses).toBe(10);
  model.dispose();
});

test('an answer that is a part of the file (206) is refused, as nobody asked for a part', async () => {
  const server = createServer((_, response) => response.writeHead(206).end('half'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/a.pth`;
  await expect(fetchFile(url)).rejects.toThrow(/a part of the file \(206\), which was not requested/);
  server.close();
});
