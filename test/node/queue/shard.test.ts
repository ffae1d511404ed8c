import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { preprocessingFor } from '../../../src/image/index.js';
import { fileContents } from '../../../src/node/queue/fileContents.js';
import { decodeResult, encodeResult, locateFiles, requireShard } from '../../../src/node/queue/shard.js';

const HASH = `7-${'0'.repeat(64)}`;
const shard = {
  version: 3,
  run: 'a1-b2',
  model: 'abc',
  preprocessing: preprocessingFor('deit', [224, 224]),
  batchSize: 8,
  heads: false,
  files: ['n01440764/a.JPEG', 'b.png'],
  contents: [HASH, null],
};

describe('what a worker takes from the queue', () => {
  test('passes a shard that is one', () => {
    expect(requireShard(JSON.parse(JSON.stringify(shard)))).toEqual(shard);
  });

  test.each([
    [{ resize: { mode: 'short', size: 256, longest: 400 } }],
    [{ resize: { mode: 'cover', height: 256, width: 256 } }],
    [{ resize: { mode: 'none' } }],
    [{ interpolation: 'bilinear', cropRounding: 'down', fill: [1, 2, 3], rescaleFactor: 1 / 127.5 }],
    [{ preset: 'preprocessor_config.json (in the folder)' }],
  ])('passes the preprocessing %j', (change) => {
    const value = { ...shard, preprocessing: { ...shard.preprocessing, ...change } };
    expect(requireShard(value)).toEqual(value);
  });

  test.each([
    [{ resize: { mode: 'short' } }],
    [{ resize: { mode: 'toString', size: 2 } }],
    [{ resize: { mode: 'short', size: 256, longest: 1e9 } }],
    [{ interpolation: { toString: 1 } }],
    [{ rescaleFactor: Infinity }],
    [{ fill: [1, 2] }],
  ])('refuses the preprocessing %j', (change) => {
    const value = { ...shard, preprocessing: { ...shard.preprocessing, ...change } };
    expect(() => requireShard(value)).toThrow(/no usable preprocessing/);
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
    expect(() => requireShard({ ...shard, files: [file], contents: [HASH] })).toThrow(
      /no path below the data folder/,
    );
  });

  test.each([
    [null],
    ['text'],
    [{}],
    [{ ...shard, version: 2 }],
    [{ ...shard, run: 'a b' }],
    [{ ...shard, contents: [HASH] }],
    [{ ...shard, contents: [HASH, 7] }],
    [{ ...shard, contents: [HASH, '7-00'] }],
    [{ ...shard, model: 1 }],
    [{ ...shard, heads: 2 }],
    [{ ...shard, files: [] }],
    [{ ...shard, files: 'a.png' }],
    // A forged job of thousands of images would break a worker's memory for the jobs after it.
    [{ ...shard, files: Array(65).fill('a.png'), contents: Array(65).fill(HASH) }],
    [{ ...shard, batchSize: 0 }],
    [{ ...shard, batchSize: 65 }],
    [{ ...shard, batchSize: { toString: 1 } }],
    [{ ...shard, preprocessing: {} }],
    [{ ...shard, preprocessing: { ...shard.preprocessing, crop: [1e6, 1e6] } }],
    [{ ...shard, preprocessing: { ...shard.preprocessing, resize: { mode: 'short', size: 1e9 } } }],
    [{ ...shard, preprocessing: { ...shard.preprocessing, std: [1, 2, 'x'] } }],
    [{ ...shard, preprocessing: { ...shard.preprocessing, std: [0, 0, 0] } }],
    [{ ...shard, preprocessing: { ...shard.preprocessing, preset: '\u001b[2J' } }],
    [{ ...shard, preprocessing: { ...shard.preprocessing, resize: { mode: 'short', size: 900 } } }],
  ])('refuses a payload that is no shard (%#)', (value) => {
    expect(() => requireShard(value)).toThrow(/no shard of images/);
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
      const contents = await fileContents(join(root, 'a/x.png'));
      expect(await locateFiles(root, ['a/x.png', 'inside/x.png'], [contents, contents])).toEqual([
        join(root, 'a/x.png'),
        join(root, 'inside/x.png'),
      ]);
    });

    test('are refused where a link leads out of it, and told where they are not there', async () => {
      await expect(locateFiles(root, ['out/secret.png'], [HASH])).rejects.toThrow(
        /leads out of this worker's data folder/,
      );
      await expect(locateFiles(root, ['a/none.png'], [HASH])).rejects.toThrow(
        /a\/none\.png: not in this worker's data folder/,
      );
    });

    test('have no contents where they are folders, pipes or not there: nothing waits for a writer', async () => {
      execFileSync('mkfifo', [join(outside, 'pipe.png')]);
      for (const file of ['pipe.png', 'data', 'none.png']) {
        expect(await fileContents(join(outside, file))).toBeNull();
      }
    });

    test('are refused where they hold something else, of the same length too; large ones by a sample', async () => {
      const large = (path: string, at: number) => {
        const bytes = new Uint8Array(1_000_000);
        bytes[at] = 1;
        return writeFile(path, bytes);
      };
      await mkdir(join(outside, 'theirs'));
      await writeFile(join(outside, 'theirs', 'x.png'), 'abc');
      await large(join(outside, 'theirs', 'large.png'), 500_000);
      const theirs = (file: string) => fileContents(join(outside, 'theirs', file));
      await writeFile(join(root, 'y.png'), 'abd');
      await writeFile(join(root, 'z.png'), 'abcd');
      await large(join(root, 'large.png'), 500_000);
      await large(join(root, 'other.png'), 500_001);
      const locate = async (file: string, like: string) => locateFiles(root, [file], [await theirs(like)]);
      await expect(locate('y.png', 'x.png')).rejects.toThrow(
        /y\.png: is not the file of the evaluation \(as many bytes, but others\)/,
      );
      await expect(locate('z.png', 'x.png')).rejects.toThrow(
        /z\.png: is not the file of the evaluation \(4 bytes, where .* 3 bytes\)/,
      );
      expect(await locate('large.png', 'large.png')).toEqual([join(root, 'large.png')]);
      await expect(locate('other.png', 'large.png')).rejects.toThrow(/other\.png: is not the file/);
      // A file that is broken where the evaluation runs, and is here: not the same folder.
      await expect(locateFiles(root, ['z.png'], [null])).rejects.toThrow(/4 bytes, where .* no file/);
      expect(await locateFiles(root, ['none.png'], [null])).toEqual([join(root, 'none.png')]);
    });
  });
});

describe('what comes back', () => {
  const files = ['a.png', 'b.png', 'c.png', 'd.png'];
  const base64 = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer).toString('base64');
  const batches = [
    { logits: Float32Array.of(1, 2, 3, 4), indices: [0, 2], failures: [{ index: 1, message: 'cut short' }] },
    { logits: Float32Array.of(5, Math.fround(0.1)), indices: [3], failures: [] },
  ];

  test('is the same to the bit, with its places in the list', () => {
    const answer = JSON.parse(JSON.stringify(encodeResult(batches, 'wasm', 'host:1')));
    expect(decodeResult(answer, { indices: files.map((_, i) => 100 + i), files, classes: 2 })).toEqual({
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
    const answer = JSON.parse(JSON.stringify(encodeResult(both, 'wasm', 'host:1')));
    expect(decodeResult(answer, { indices: files.map((_, i) => i), files, classes: 2 }).heads).toEqual([
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
    const answer = JSON.parse(
      JSON.stringify(encodeResult([unread, read(1), last, read(3)], 'wasm', 'host:1')),
    );
    expect(decodeResult(answer, { indices: files.map((_, i) => i), files, classes: 2 }).heads).toEqual([
      Float32Array.of(3, 4, 3, 4),
      Float32Array.of(5, 6, 5, 6),
    ]);
  });

  test.each([
    ['a head short', { heads: [''] }],
    ['three heads', { heads: ['', '', ''] }],
    ['no heads at all', { heads: undefined }],
    ['an image twice', { indices: [0, 0, 3] }],
    ['an image that was not asked for', { indices: [0, 2, 4] }],
    ['an image short', { indices: [0, 2] }],
    ['logits short', { logits: '' }],
    ['another version', { version: 9 }],
    ['no indices', { indices: undefined }],
    ['NaN', { logits: base64(1, 2, Number.NaN, 4, 5, 6) }],
    ['an infinite logit of a head', { heads: [base64(1, 2, 3, 4, 5, Infinity)] }],
    ['logits that are a list', { logits: [1, 2, 3, 4, 5, 6] }],
    ['logits in no base64', { logits: `${base64(1, 2, 3, 4, 5, 6).slice(0, -2)}!!` }],
    ['indices that are texts', { indices: ['0', '2', '3'] }],
    ['a failure that is none', { failures: [null] }],
    ['a failure without a reason', { failures: [{ index: 1, message: { toString: 1 } }] }],
    ['a backend that moves the cursor', { backend: '\u001b[2Jwasm' }],
    ['a backend that is an object', { backend: { toString: 1 } }],
  ])('is refused with %s', (_what, change) => {
    const answer = { ...encodeResult(batches, 'wasm', 'host:1'), ...change };
    expect(() => decodeResult(answer, { indices: files.map((_, i) => i), files, classes: 2 })).toThrow(
      /worker's answer is not usable/,
    );
  });

  test('names the image of a logit that is not finite, and keeps reasons short', () => {
    const answer = encodeResult(batches, 'wasm', 'host:1');
    const nan = { ...answer, logits: base64(1, 2, Number.NaN, 4, 5, 6) };
    expect(() => decodeResult(nan, { indices: files.map((_, i) => i), files, classes: 2 })).toThrow(
      /c\.png has the logit NaN/,
    );
    const long = { ...answer, failures: [{ index: 1, message: 'x'.repeat(1e6) }] };
    expect(
      decodeResult(long, { indices: files.map((_, i) => i), files, classes: 2 }).failures[0]!.message.length,
    ).toBeLessThan(1200);
  });
});
