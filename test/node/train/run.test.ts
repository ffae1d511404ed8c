import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { readSafetensors } from '../../../converters/formats/safetensors.js';
import { useBackend } from '../../../src/backend.js';
import { openFileSource } from '../../../src/node/fileSource.js';
import { load, saveLayersModel } from '../../../src/node/index.js';
import { readCheckpoint, writeCheckpoint } from '../../../src/node/train/checkpointFile.js';
import { type RunHooks, runTraining } from '../../../src/node/train/run.js';
import { FILES } from '../../../src/node/train/runFolder.js';
import type { TrainConfig } from '../../../src/train/config.js';
import { resolveTrainConfig } from '../../../src/train/resolveConfig.js';
import { writeDigits } from './digitsFolder.js';

let digits: string;
beforeAll(async () => {
  await useBackend('wasm');
  digits = await writeDigits(70, 20);
});
afterAll(() => tf.disposeVariables());

const newFolder = () => mkdtemp(join(tmpdir(), 'deit-run-'));

/** Every random choice that there is, on a model that takes no time. */
async function config(fields: Record<string, unknown> = {}): Promise<TrainConfig> {
  const data = { format: 'mnist', path: digits };
  return resolveTrainConfig(
    {
      model: { imgSize: 28, patchSize: 7, embedDim: 8, depth: 2, numHeads: 2, dropPathRate: 0.2 },
      data,
      val: data,
      augment: { affine: { degrees: 10 }, repeats: 2 },
      optimizer: { lr: 2e-3, lrBatch: null, clipGrad: 1 },
      schedule: { epochs: 3, warmupEpochs: 1, per: 'step' },
      emaDecay: 0.9,
      batchSize: 8,
      accumulate: 2,
      workers: 0,
      seed: 3,
      output: await newFolder(),
    },
    fields,
  );
}

const read = (given: TrainConfig, name: string) => readFile(join(given.output, name));

/** Asks to stop after a number of steps of this part of the run. */
function stopAfter(steps: number): RunHooks {
  let done = 0;
  return { onStep: () => void done++, shouldStop: () => done >= steps };
}

describe('a run', () => {
  let whole: TrainConfig;
  beforeAll(async () => {
    whole = await config();
    const before = tf.memory().numTensors;
    const result = await runTraining(whole);
    expect(result).toMatchObject({ end: 'done', epochs: 3, steps: 12 });
    expect(tf.memory().numTensors).toBe(before);
  });

  test('leaves what it says it leaves, and gives the folder free', async () => {
    const names = (await readdir(whole.output)).sort();
    const models = ['best', 'best.safetensors', 'last', 'last.safetensors'];
    const logs = [FILES.checkpoint, FILES.config, FILES.curve, FILES.metrics, FILES.tensorboard];
    expect(names).toEqual([...models, ...logs].sort());
    const lines = String(await read(whole, FILES.metrics))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ kind }) => kind === 'step').map(({ step }) => step)).toEqual(
      Array.from({ length: 12 }, (_, i) => i + 1),
    );
    expect(lines.filter(({ kind }) => kind === 'epoch')).toHaveLength(3);
  });

  test.each([
    { at: [1], workers: 0 },
    { at: [4, 2, 5], workers: 1 },
    { at: [11], workers: 2 },
  ])('stopped after $at steps and resumed on $workers threads: every bit as unbroken', async ({
    at,
    workers,
  }) => {
    const broken = await config({ workers });
    for (const [i, steps] of at.entries()) {
      const result = await runTraining(broken, { resume: i > 0, ...stopAfter(steps) });
      expect(result.end).toBe('stopped');
    }
    const result = await runTraining(broken, { resume: true });
    expect(result).toMatchObject({ end: 'done', epochs: 3, steps: 12 });
    for (const name of [
      'last.safetensors',
      'best.safetensors',
      FILES.metrics,
      FILES.checkpoint,
      FILES.curve,
    ]) {
      expect((await read(broken, name)).equals(await read(whole, name))).toBe(true);
    }
  });

  test('other seeds give other weights', async () => {
    const other = await config({ seed: 4 });
    await runTraining(other, stopAfter(2));
    const first = String(await read(other, FILES.metrics)).split('\n')[0];
    expect(first).not.toBe(String(await read(whole, FILES.metrics)).split('\n')[0]);
  });

  test('its folder is a model, its state_dict the same model', async () => {
    const x = tf.randomNormal<tf.Rank.R4>([2, 28, 28, 3], 0, 1, 'float32', 5);
    const models = await Promise.all(
      ['last', 'last.safetensors'].map((name) => load(join(whole.output, name))),
    );
    expect(models[0]!.labels).toHaveLength(10);
    const [folder, stateDict] = models.map((model) => model.predict(x).arraySync());
    expect(stateDict).toEqual(folder);
    tf.dispose(x);
    for (const model of models) model.dispose();
  });

  test('a finished run that is resumed has nothing left to do', async () => {
    const before = await read(whole, FILES.checkpoint);
    expect(await runTraining(whole, { resume: true })).toMatchObject({ end: 'done', steps: 12 });
    expect((await read(whole, FILES.checkpoint)).equals(before)).toBe(true);
  });

  test('its folder is not trained into again, nor resumed as another run', async () => {
    await expect(runTraining(whole)).rejects.toThrow(
      `${whole.output}: holds a run; go on with it by --resume`,
    );
    const other = { ...whole, seed: 9 };
    await expect(runTraining(other, { resume: true })).rejects.toThrow('the run there has seed 3, not 9');
  });
});

describe('a folder after a power cut', () => {
  const numbers = (lines: string) =>
    lines
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
      .filter(({ kind }) => kind === 'step')
      .map(({ step }) => step);

  test.each([
    ['shorter than its checkpoint says', (bytes: Buffer) => bytes.subarray(0, 700)],
    ['with zeros where blocks were not written', (bytes: Buffer) => bytes.fill(0, 700)],
    ['that is gone', () => Buffer.alloc(0)],
  ])('has metrics %s: they are cut there, which is said, and the run goes on', async (_, damage) => {
    const given = await config();
    await runTraining(given, stopAfter(6));
    const path = join(given.output, FILES.metrics);
    const cut = damage(await readFile(path));
    await writeFile(path, cut);
    const notes: string[] = [];
    const result = await runTraining(given, { resume: true, onNote: (note) => void notes.push(note) });
    expect(result).toMatchObject({ end: 'done', steps: 12 });
    expect(notes.join('\n')).toMatch(
      /metrics\.jsonl: \d+ of the \d+ bytes that the checkpoint counts are lost/,
    );
    const text = await readFile(path, 'utf8');
    expect(text).not.toContain('\0');
    expect(numbers(text).slice(-6)).toEqual([7, 8, 9, 10, 11, 12]);
  });

  test.each([
    [
      { epoch: 1.5 },
      /checkpoint\.safetensors: the file is damaged: its epoch is 1\.5, expected a whole number/,
    ],
    [{ epoch: -3 }, /its epoch is -3/],
    [{ step: { toString: 1 } }, /its step is \{"toString":1\}/],
    [{ lossSum: null }, /its lossSum is null/],
    [{ epoch: 900 }, /is of step 2, epoch 900, batch 4, which a run of 3 epochs of 4 steps never reaches/],
    [{ batch: 3 }, /batch 3, which a run/],
  ])('has a checkpoint at %j: refused in words', async (change, message) => {
    const given = await config();
    await runTraining(given, stopAfter(2));
    const path = join(given.output, FILES.checkpoint);
    const { snapshot, metricsBytes } = await readCheckpoint(path);
    const position = { ...snapshot.position, ...(change as object) };
    await writeCheckpoint(path, { ...snapshot, position }, metricsBytes);
    await expect(runTraining(given, { resume: true })).rejects.toMatchObject({
      name: 'UserError',
      message: expect.stringMatching(message),
    });
  });
});

test('the state_dict carries the names of the classes', async () => {
  const given = await config({ 'schedule.epochs': 2 });
  await runTraining(given);
  const source = await openFileSource(join(given.output, 'best.safetensors'));
  const { metadata } = await readSafetensors(source);
  await source.close();
  expect(JSON.parse(String(metadata.labels))).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
});

test('a second run on a folder in use is refused', async () => {
  const given = await config({ 'schedule.epochs': 2 });
  let second: Promise<unknown> | undefined;
  await runTraining(given, {
    onStart: () => {
      second = runTraining({ ...given }, { resume: true });
      second.catch(() => {});
    },
  });
  await expect(second).rejects.toThrow('train.lock');
});

describe('found before the first step', () => {
  const fails = async (fields: Record<string, unknown>, message: string | RegExp) => {
    let steps = 0;
    const given = await config(fields);
    await expect(runTraining(given, { onStep: () => void steps++ })).rejects.toThrow(message);
    expect(steps).toBe(0);
    expect(await readdir(given.output).catch(() => [])).not.toContain('train.lock');
    expect(await readdir(given.output).catch(() => [])).not.toContain(FILES.config);
  };

  test('leaves nothing, not even the folders that were made for it, and the folder can be used', async () => {
    const around = await newFolder();
    const output = join(around, 'runs', 'first');
    await fails({ output, 'data.path': '/nowhere' }, '/nowhere: no such folder');
    await fails({ output, 'model.embedDim': 9 }, 'embedDim 9 does not divide into 2 heads');
    await fails({ output, batchSize: 100 }, /70 images are fewer than the 200 of one step/);
    expect(await readdir(around)).toEqual([]);
    const given = await config({ output });
    expect(await runTraining(given, stopAfter(1))).toMatchObject({ end: 'stopped', steps: 1 });
  });

  test('a folder with nothing but the configuration of such a run holds no run', async () => {
    const output = await newFolder();
    await writeFile(join(output, FILES.config), JSON.stringify(await config({ seed: 9 })));
    const given = await config({ output });
    expect(await runTraining(given, { resume: true, ...stopAfter(1) })).toMatchObject({ steps: 1 });
  });

  test('a student or a batch that no memory holds', async () => {
    await fails({ 'model.embedDim': 16384, 'model.depth': 1000 }, /training needs more than \d+\.\d GB: \d+/);
    await fails({ batchSize: 65536, 'model.imgSize': 4095 }, /for a batch of images; this machine has/);
  });

  test('an output folder with other files', async () => {
    const output = await newFolder();
    await writeFile(join(output, 'thesis.tex'), 'mine');
    await fails({ output }, `${output}: holds files that are no training run`);
  });

  test('an output folder that is a file', async () => {
    const path = join(await newFolder(), 'file');
    await writeFile(path, '');
    const given = await config({ output: path });
    await expect(runTraining(given)).rejects.toThrow(`${path}: is or lies in a file`);
  });

  test('no data, and fewer images than a step', async () => {
    await fails({ 'data.path': '/nowhere' }, '/nowhere: no such folder');
    await fails({ batchSize: 100 }, /70 images are fewer than the 200 of one step; lower batchSize/);
  });

  test('a student that cannot be built, or cannot learn from a teacher', async () => {
    await fails({ 'model.embedDim': 9 }, 'embedDim 9 does not divide into 2 heads');
    await fails({ 'train.frozenBlocks': 3 }, 'train.frozenBlocks is 3, the student has 2 blocks');
    const distillation = { 'distillation.type': 'hard', 'distillation.teacher': '/nowhere' };
    await fails(distillation, 'needs a student with a distillation token');
    await fails({ ...distillation, 'model.distilled': true }, '/nowhere: no such file or folder');
  });

  test('a teacher with other classes, another input, or none', async () => {
    const save = async (side: number, units: number, activation?: 'softmax') => {
      const dense = tfl.layers.dense({ units, ...(activation && { activation }) });
      const layers = [tfl.layers.flatten({ inputShape: [side, side, 3] }), dense];
      const model = tfl.sequential({ layers });
      const folder = join(await newFolder(), 'teacher');
      await saveLayersModel(model, folder);
      model.dispose();
      return folder;
    };
    const teach = (teacher: string) => ({
      'model.distilled': true,
      'distillation.type': 'soft',
      'distillation.teacher': teacher,
    });
    const four = await save(28, 4);
    await fails(teach(four), `teacher ${four}: has 4 classes, the training data 10`);
    const large = await save(32, 10);
    await fails(teach(large), `teacher ${large}: takes images of 32×32, the student's are 28×28`);
    const soft = await save(28, 10, 'softmax');
    await fails(
      teach(soft),
      `teacher ${soft}: answers with probabilities, and soft distillation takes the softmax`,
    );
  });

  test('a checkpoint that does not fit', async () => {
    const first = await config({ 'schedule.epochs': 2 });
    await runTraining(first, stopAfter(4));
    await runTraining(first, { resume: true });
    const from = join(first.output, 'last');
    await fails({ 'init.from': from, 'model.depth': 4 }, `${from}: its depth is 2, model.depth says 4`);
  });
});

test('fine-tuning: larger input, fewer classes, frozen blocks', async () => {
  const first = await config({ 'schedule.epochs': 2 });
  await runTraining(first);
  const from = join(first.output, 'last');
  const shape = Object.fromEntries(
    ['imgSize', 'patchSize', 'embedDim', 'depth', 'numHeads'].map((field) => [`model.${field}`, null]),
  );
  const notes: string[] = [];
  const tuned = await config({
    ...shape,
    'model.imgSize': 42,
    'init.from': from,
    'train.frozenBlocks': 1,
    'schedule.epochs': 2,
  });
  await runTraining(tuned, { onNote: (line) => notes.push(line) });
  expect(notes).toContain('pos_embed: 4×4 → 6×6 patches, bicubic');
  const trained = ({ output }: typeof tuned) => load(join(output, 'last'));
  const [before, after] = await Promise.all([trained(first), trained(tuned)]);
  expect(after.config.imgSize).toEqual([42, 42]);
  const values = (model: typeof before, block: number) =>
    model.layersModel
      .getLayer(`blocks.${block}`)
      .getWeights()
      .map((weight) => Array.from(weight.dataSync()));
  expect(values(after, 0)).toEqual(values(before, 0));
  expect(values(after, 1)).not.toEqual(values(before, 1));
  for (const model of [before, after]) model.dispose();
});

test('attention alone: nothing else but the heads and attention moves', async () => {
  const weightsOf = async (given: TrainConfig, hooks: RunHooks) => {
    await runTraining(given, hooks);
    const { snapshot } = await readCheckpoint(join(given.output, FILES.checkpoint));
    return [...snapshot.tensors].filter(([name]) => name.startsWith('weights/'));
  };
  const fields = { 'train.attentionOnly': true, emaDecay: null };
  const first = await weightsOf(await config(fields), { shouldStop: () => true });
  const later = new Map(await weightsOf(await config(fields), stopAfter(3)));
  const moved = first.filter(([name, { values }]) => String(values) !== String(later.get(name)!.values));
  const names = first.map(([name]) => name);
  expect(moved.map(([name]) => name)).toEqual(names.filter((name) => /\.attn\.|\/head\./.test(name)));
});
