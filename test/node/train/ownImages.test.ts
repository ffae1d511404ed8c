/** Training on people's own folders: images that end a run, folders that change before it goes on, what is likely not meant. */
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from '../../../src/backend.js';
import { type RunHooks, runTraining } from '../../../src/node/train/run.js';
import { FILES } from '../../../src/node/train/runFolder.js';
import type { TrainConfig } from '../../../src/train/config.js';
import { resolveTrainConfig } from '../../../src/train/resolveConfig.js';
import { writeDigits } from './digitsFolder.js';

beforeAll(() => useBackend('wasm'));
afterAll(() => tf.disposeVariables());

/** A PPM of one colour, for each class another one. */
function image(classIndex: number, number: number): Buffer {
  const level = (channel: number) => (channel === classIndex % 3 ? 200 : 10 + 5 * number);
  const pixels = Uint8Array.from({ length: 3 * 8 * 8 }, (_, i) => level(i % 3));
  return Buffer.concat([Buffer.from('P6 8 8 255\n'), pixels]);
}

interface Own extends TrainConfig {
  readonly root: string;
}

/** Class folders `train` and `val`, and a run of two epochs of four steps on them. */
async function own(classes: readonly string[] = ['cat', 'dog'], fields: object = {}): Promise<Own> {
  const root = await mkdtemp(join(tmpdir(), 'deit-own-'));
  for (const [set, count] of [
    ['train', 8],
    ['val', 3],
  ] as const) {
    for (const [i, name] of classes.entries()) {
      await mkdir(join(root, set, name), { recursive: true });
      for (let n = 0; n < count; n++) await writeFile(join(root, set, name, `${n}.ppm`), image(i, n));
    }
  }
  const config = resolveTrainConfig({
    model: { imgSize: 8, patchSize: 4, embedDim: 8, depth: 1, numHeads: 2 },
    data: { path: join(root, 'train') },
    val: { path: join(root, 'val') },
    augment: { repeats: 1, randAugment: null },
    schedule: { epochs: 2, warmupEpochs: 0 },
    optimizer: { lr: 0.01, lrBatch: null },
    batchSize: 4,
    workers: 0,
    output: join(root, 'run'),
    ...fields,
  });
  return { ...config, root };
}

const configOf = ({ root: _, ...config }: Own): TrainConfig => config;
const inRun = ({ output }: TrainConfig, name: string) => readFile(join(output, name));

async function notesOf(config: TrainConfig, hooks: RunHooks & { resume?: boolean } = {}): Promise<string[]> {
  const notes: string[] = [];
  await runTraining(config, { ...hooks, onNote: (note) => notes.push(note) });
  return notes;
}

function stopAfter(steps: number): RunHooks {
  let done = 0;
  return { onStep: () => void done++, shouldStop: () => done >= steps };
}

test.each([
  'train',
  'val',
])('a damaged image in %s ends the run, which goes on to the same bits', async (set) => {
  const whole = await own();
  await runTraining(configOf(whole));
  const broken = await own();
  const file = join(broken.root, set, 'dog/1.ppm');
  const intact = await readFile(file);
  await writeFile(file, intact.subarray(0, 60));
  await expect(runTraining(configOf(broken))).rejects.toThrow(
    /dog\/1\.ppm: .*; the run is saved up to here: replace the image, then --resume$/,
  );
  await writeFile(file, intact);
  const steps: number[] = [];
  await runTraining(configOf(broken), { resume: true, onStep: ({ step }) => void steps.push(step) });
  expect(steps.length).toBeLessThan(8); // what was done is not done again
  for (const name of ['last.safetensors', 'best.safetensors', FILES.metrics]) {
    expect((await inRun(broken, name)).equals(await inRun(whole, name))).toBe(true);
  }
});

test('a run does not go on with other classes: its weights stand for those of before', async () => {
  const config = await own();
  await runTraining(configOf(config), stopAfter(2));
  for (const set of ['train', 'val'])
    await rename(join(config.root, set, 'cat'), join(config.root, set, 'zebra'));
  await expect(runTraining(configOf(config), { resume: true })).rejects.toThrow(
    /checkpoint\.safetensors: its run learns the classes cat, dog; .*train has dog, zebra: give the class folders/,
  );
});

test('a run does not go on with a config.json that was changed by hand', async () => {
  const config = await own();
  await runTraining(configOf(config), stopAfter(2));
  const path = join(config.output, FILES.config);
  const other = { ...configOf(config), optimizer: { ...config.optimizer, lr: 0.02 } };
  await writeFile(path, JSON.stringify(other));
  await expect(runTraining(other, { resume: true })).rejects.toThrow(
    /checkpoint\.safetensors: its run has optimizer\.lr 0\.01, config\.json says 0\.02/,
  );
});

test('other images of the same classes are told of; the same ones in another folder are not', async () => {
  const config = await own();
  await runTraining(configOf(config), stopAfter(2));
  const [train, val] = [join(config.root, 'moved'), join(config.root, 'val')];
  await rename(join(config.root, 'train'), train);
  const moved = { ...configOf(config), data: { ...config.data, path: train } };
  const told = /the (training|validation) images are not those of the run so far/;
  expect((await notesOf(moved, { resume: true, ...stopAfter(1) })).filter((note) => told.test(note))).toEqual(
    [],
  );
  await rename(join(train, 'dog/0.ppm'), join(train, 'dog/new.ppm'));
  await rm(join(val, 'cat/2.ppm'));
  expect((await notesOf(moved, { resume: true })).filter((note) => told.test(note))).toEqual([
    `${train}: the training images are not those of the run so far; it goes on with those that are there, and ends in other weights than an unbroken run`,
    `${val}: the validation images are not those of the run so far; it goes on with those that are there, and its best epoch is chosen among accuracies on both`,
  ]);
});

test('what is likely not meant is said before the first step', async () => {
  const limited = await own(['a', 'b', 'c'], {});
  const fields = { data: { ...limited.data, limit: 9 }, val: { ...limited.val, limit: 3 } };
  const notes = await notesOf({ ...configOf(limited), ...fields }, stopAfter(1));
  expect(notes).toContain(
    `data.limit 9 takes the first images of ${limited.data.path}, which leaves 1 of 3 classes without any`,
  );
  expect(notes).toContain(
    `val.limit 3 takes the first images of ${limited.val.path}, which leaves 2 of 3 classes without any`,
  );
  const same = await own();
  expect(
    await notesOf({ ...configOf(same), val: { ...same.val, path: same.data.path } }, stopAfter(1)),
  ).toContain(
    `${same.data.path}: validates on the images that it trains on, whose top-1 tells nothing of others`,
  );
  expect(await notesOf(configOf(await own(['only'])), stopAfter(1))).toContain(
    'one class alone: whatever is learnt, top-1 is 100 %',
  );
  const clean = (await notesOf(configOf(await own()), stopAfter(1))).join('\n');
  expect(clean).not.toMatch(/limit|validates on|one class/);
});

test('digits of the two splits of one folder are not the same images', async () => {
  const data = { format: 'mnist', path: await writeDigits(12, 8) };
  const config = await own();
  const given = { ...configOf(config), data: { ...config.data, ...data }, val: { ...config.val, ...data } };
  const notes = await notesOf(given as TrainConfig, stopAfter(1));
  expect(notes.join('\n')).not.toMatch(/validates on/);
});

test.each([
  ['e\u0301te\u0301', 'été', /which .* has not: its folder there looks the same, but its accents/],
  ['Cat', 'cat', /has the class "cat", which .* has not, but "Cat"$/],
])('a validation folder that is named a little otherwise: %s, %s', async (name, other, message) => {
  const config = await own([name, 'dog']);
  await rename(join(config.root, 'val', name), join(config.root, 'val', other));
  await expect(runTraining(configOf(config))).rejects.toThrow(message);
});

test('a model to start from that was made for something else: its classes, its normalisation, too few blocks', async () => {
  const first = await own(['cat', 'dog']);
  await runTraining(configOf(first));
  const from = join(first.output, 'last');
  const shape = { imgSize: null, patchSize: null, embedDim: null, depth: null, numHeads: null };
  const fields = { model: shape, init: { from } };
  const same = await own(['cat', 'dog'], fields);
  expect((await notesOf(configOf(same), stopAfter(1))).join('\n')).not.toMatch(/heads:|images: /);
  const other = await own(['a', 'dog'], { ...fields, preset: 'augreg' });
  const notes = await notesOf(configOf(other), stopAfter(1));
  expect(notes).toContain('heads: kept, though class 0 is "cat" there and "a" in the training data');
  expect(notes).toContain(
    `images: ${from} was made for mean 0.485, 0.456, 0.406, std 0.229, 0.224, 0.225; the preset augreg gives it ` +
      'mean 0.5, 0.5, 0.5, std 0.5, 0.5, 0.5 (see the field preset)',
  );
  const frozen = await own(['cat', 'dog'], { ...fields, train: { frozenBlocks: 2 } });
  await expect(runTraining(configOf(frozen))).rejects.toThrow(/frozenBlocks is 2, the student has 1 blocks/);
});

test('a student whose MLP has no unit is refused', async () => {
  const config = await own();
  const model = { ...config.model, mlpRatio: 0.01 };
  await expect(runTraining({ ...configOf(config), model })).rejects.toThrow(
    /mlpRatio is 0\.01, which leaves the MLP no hidden unit/,
  );
});
