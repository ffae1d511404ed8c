import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { preprocessingFor } from '../../../src/image/index.js';
import { decodeResult, encodeResult, locateFiles, requireShard } from '../../../src/node/queue/shard.js';

const shard = {
  version: 2,
  model: 'abc',
  preprocessing: preprocessingFor('deit', [224, 224]),
  batchSize: 8,
  heads: false,
  files: ['n01440764/a.JPEG', 'b.png'],
};

describe('what a worker takes from the queue', () => {
  test('passes a shard that is one', () => {
    expect(requireShard(JSON.parse(JSON.stringify(shard)))).toEqual(shard);
  });

  test.each([
    ['../secret.png'],
    ['/etc/passwd'],
    ['a/../../b.png'],
    ['a//b.png'],
    ['./a.png'],
    ['a\\b.png'],
    ['a\0.png'],
    [''],
    [7],
    ['x'.repeat(5000)],
  ])('refuses the path %j', (file) => {
    expect(() => requireShard({ ...shard, files: [file] })).toThrow(/no path below the data folder/);
  });

  test.each([
    [null],
    ['text'],
    [{}],
    [{ ...shard, version: 1 }],
    [{ ...shard, model: 1 }],
    [{ ...shard, heads: 2 }],
    [{ ...shard, files: [] }],
    [{ ...shard, files: 'a.png' }],
    [{ ...shard, files: Array(5000).fill('a.png') }],
    [{ ...shard, batchSize: 0 }],
    [{ ...shard, batchSize: 1e9 }],
    [{ ...shard, preprocessing: {} }],
    [{ ...shard, preprocessing: { ...shard.preprocessing, crop: [1e6, 1e6] } }],
    [{ ...shard, preprocessing: { ...shard.preprocessing, resize: { mode: 'short', size: 1e9 } } }],
    [{ ...shard, preprocessing: { ...shard.preprocessing, std: [1, 2, 'x'] } }],
  ])('refuses a payload that is no shard (%#)', (value) => {
    expect(() => requireShard(value)).toThrow(/no shard of pictures/);
  });

  describe('files', () => {
    let outside: string;
    let root: string;

    beforeAll(async () => {
      const folder = await realpath(await mkdtemp(join(tmpdir(), 'deit-shard-')));
      outside = folder;
      root = join(folder, 'data');
      await mkdir(join(root, 'a'), { recursive: true });
      await writeFile(join(folder, 'secret.png'), '');
      await writeFile(join(root, 'a', 'x.png'), '');
      await symlink(join(root, 'a'), join(root, 'inside'));
      await symlink(folder, join(root, 'out'));
    });

    afterAll(() => rm(outside, { recursive: true }));

    test('are found below the data folder, through links that stay in it', async () => {
      expect(await locateFiles(root, ['a/x.png', 'inside/x.png'])).toEqual([
        join(root, 'a/x.png'),
        join(root, 'inside/x.png'),
      ]);
    });

    test('are refused where a link leads out of it, and told where they are not there', async () => {
      await expect(locateFiles(root, ['out/secret.png'])).rejects.toThrow(
        /leads out of this worker's data folder/,
      );
      await expect(locateFiles(root, ['a/none.png'])).rejects.toThrow(
        /a\/none\.png: not in this worker's data folder/,
      );
    });
  });
});

describe('what comes back', () => {
  const batches = [
    { logits: Float32Array.of(1, 2, 3, 4), indices: [0, 2], failures: [{ index: 1, message: 'cut short' }] },
    { logits: Float32Array.of(5, Math.fround(0.1)), indices: [3], failures: [] },
  ];

  test('is the same to the bit, with its places in the list', () => {
    const answer = JSON.parse(JSON.stringify(encodeResult(batches, 'wasm')));
    expect(decodeResult(answer, { start: 100, count: 4, classes: 2 })).toEqual({
      backend: 'wasm',
      logits: Float32Array.of(1, 2, 3, 4, 5, 0.1),
      indices: [100, 102, 103],
      failures: [{ index: 101, message: 'cut short' }],
    });
  });

  test('has the logits of both heads where they were asked for', () => {
    const both = batches.map((batch) => ({
      ...batch,
      heads: [batch.logits.map((x) => x + 1), batch.logits.map((x) => x - 1)],
    }));
    const answer = JSON.parse(JSON.stringify(encodeResult(both, 'wasm')));
    expect(decodeResult(answer, { start: 0, count: 4, classes: 2 }).heads).toEqual([
      Float32Array.of(2, 3, 4, 5, 6, Math.fround(0.1) + 1),
      Float32Array.of(0, 1, 2, 3, 4, Math.fround(0.1) - 1),
    ]);
  });

  test('has them too where a whole batch could not be read', () => {
    const unread = {
      logits: new Float32Array(),
      indices: [],
      failures: [{ index: 0, message: 'cut short' }],
    };
    const read = (index: number) => ({
      logits: Float32Array.of(1, 2),
      heads: [Float32Array.of(3, 4), Float32Array.of(5, 6)],
      indices: [index],
      failures: [],
    });
    const last = { ...unread, failures: [{ index: 2, message: 'empty' }] };
    const answer = JSON.parse(JSON.stringify(encodeResult([unread, read(1), last, read(3)], 'wasm')));
    expect(decodeResult(answer, { start: 0, count: 4, classes: 2 }).heads).toEqual([
      Float32Array.of(3, 4, 3, 4),
      Float32Array.of(5, 6, 5, 6),
    ]);
  });

  test.each([
    ['a head short', { heads: [''] }],
    ['three heads', { heads: ['', '', ''] }],
    ['no heads at all', { heads: undefined }],
    ['a picture twice', { indices: [0, 0, 3] }],
    ['a picture that was not asked for', { indices: [0, 2, 4] }],
    ['a picture short', { indices: [0, 2] }],
    ['logits short', { logits: '' }],
    ['another version', { version: 9 }],
    ['no indices', { indices: undefined }],
  ])('is refused with %s', (_what, change) => {
    const answer = { ...encodeResult(batches, 'wasm'), ...change };
    expect(() => decodeResult(answer, { start: 0, count: 4, classes: 2 })).toThrow(
      /worker's answer is not usable/,
    );
  });
});
