import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../src/backend.js';
import type { Classifier } from '../../src/evaluate/index.js';
import { preprocessingFor } from '../../src/image/index.js';
import { type ImageFolder, openImageFolder } from '../../src/node/data/imageFolder.js';
import { type EvaluateFolderOptions, evaluateFolder } from '../../src/node/evaluateFolder.js';

/** A model of the digits' images: logit k is the mean of the input, times k; what `change` makes of it. */
function modelOf(change: (logits: number[], batch: number) => void = () => {}): Classifier {
  let batch = 0;
  return {
    config: { imgSize: [28, 28] },
    onBackend: (run) => run(),
    predict: (x) => {
      const means = [...tf.tidy(() => tf.mean(x, [1, 2, 3]).dataSync())];
      const rows = means.map((mean) => {
        const logits = Array.from({ length: 10 }, (_, k) => mean * k);
        change(logits, batch);
        return logits;
      });
      batch++;
      return tf.tensor2d(rows);
    },
  };
}

let folder: string;
let path: string;
let val: ImageFolder;
beforeAll(async () => {
  await useBackend('wasm');
  folder = await mkdtemp(join(tmpdir(), 'deit-evaluate-'));
  val = await openImageFolder('examples/digits/val', { numClasses: 10 });
});
afterAll(() => rm(folder, { recursive: true }));
beforeEach(() => {
  path = join(folder, `${Math.floor(performance.now())}.jsonl`);
});

const run = (model: Classifier, options: Partial<EvaluateFolderOptions> = {}) =>
  evaluateFolder({ model, decodeThreads: 0 }, val, {
    preprocessing: preprocessingFor('deit', [28, 28]),
    batchSize: 8,
    predictions: path,
    strict: false,
    ...options,
  });

describe('logits that are not finite', () => {
  test.each([
    Number.NaN,
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ])('end the evaluation: %p, naming the image, and no line is written of it', async (value) => {
    const broken = modelOf((logits, batch) => {
      if (batch === 2) logits[4] = value;
    });
    await expect(run(broken)).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(
        new RegExp(`^${val.describe(16)}: the model's logit for class 4 is ${value};`),
      ),
    });
    const lines = (await readFile(path, 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).file)).toEqual(val.files.slice(0, 16));
    expect(lines.join()).not.toContain('null');
    // What it leaves can be gone on with.
    expect(await run(modelOf(), { resume: true })).toMatchObject({ images: 400, failed: 0 });
  });
});

describe('what an interrupted run leaves', () => {
  let whole: string;
  let result: object;
  const starts: number[] = [];
  const dones: number[] = [];
  const notes: string[] = [];
  const resume = () => {
    for (const list of [starts, dones, notes]) list.length = 0;
    return run(modelOf(), {
      resume: true,
      onStart: (done) => void starts.push(done),
      onProgress: (done) => void dones.push(done),
      onNote: (note) => void notes.push(note),
    });
  };
  beforeEach(async () => {
    const { imagesPerSecond: _, ...rest } = await run(modelOf());
    result = rest;
    whole = await readFile(path, 'utf8');
  });

  test.each<[string, (text: string) => Promise<void>, number | undefined]>([
    [
      'zeros at the end, as after a power cut',
      async () => {
        await truncate(path, 20_000);
        await truncate(path, 30_000);
      },
      undefined,
    ],
    [
      'zeros in the middle',
      async (text) => {
        const bytes = Buffer.from(text);
        await writeFile(path, bytes.fill(0, 20_000, 24_096));
      },
      undefined,
    ],
    ['nothing but zeros', () => writeFile(path, Buffer.alloc(3_000_000)), 0],
    ['an empty file', () => writeFile(path, ''), 0],
    ['a last line without its end', () => truncate(path, 12_345), undefined],
    [
      'the first part of a letter of several bytes',
      () => appendFile(path, Buffer.from('{"file":"\u00e4').subarray(0, 10)),
      400,
    ],
  ])('%s: the run goes on', async (_, damage, recorded) => {
    await damage(whole);
    const { imagesPerSecond, ...found } = await resume();
    expect(found).toEqual(result);
    expect(await readFile(path, 'utf8')).toBe(whole);
    // Progress begins at what is recorded: it must not count as this run's speed.
    if (recorded !== undefined) expect(starts).toEqual([recorded]);
    expect(dones.at(-1)).toBe(400);
    expect(dones.every((done, i) => done >= (dones[i - 1] ?? starts[0]!))).toBe(true);
    expect(imagesPerSecond).toBeGreaterThanOrEqual(0);
  });

  test('zeros are told of, and where', async () => {
    await truncate(path, 20_000);
    await truncate(path, 30_000);
    await resume();
    expect(notes).toEqual([expect.stringMatching(/jsonl:\d+: zero bytes, as a power cut leaves them/)]);
  });
});
