import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { trainConfigs } from '../../configs/train/index.js';
import { fieldsOf, nullableGroups, valueAt } from '../../src/schema.js';
import { DEFAULT_CONFIG, trainSchema } from '../../src/train/config.js';
import { resolveTrainConfig } from '../../src/train/resolveConfig.js';

const NEEDED = { data: { path: 'a' }, val: { path: 'b' }, output: 'c' };

/** Fields of a training configuration: one that is added adds one here. */
const FIELD_COUNT = 65;

const resolve = (given: object, fields = {}) =>
  resolveTrainConfig({ ...NEEDED, ...given }, fields, 'my.json');

test('every field has a meaning, and every group that can be left out is null by its path', () => {
  const fields = fieldsOf(trainSchema);
  expect(Object.keys(fields)).toHaveLength(FIELD_COUNT);
  for (const { describe } of Object.values(fields)) expect(describe).not.toBe('');
  expect(nullableGroups(trainSchema)).toEqual(['augment.randomResizedCrop', 'augment.affine']);
  const changeable = Object.keys(fields).filter((path) => fields[path]!.mayChange);
  expect(changeable.sort()).toEqual([
    'backend',
    'data.path',
    'device',
    'distillation.teacher',
    'evalBatchSize',
    'init.from',
    'output',
    'saveEverySteps',
    'threads',
    'val.path',
    'workers',
  ]);
});

test('docs/training-fields.md has a row for every field', () => {
  const shown = (value: unknown) => (value === '' ? '' : `\`${JSON.stringify(value ?? null)}\``);
  const rows = Object.entries(fieldsOf(trainSchema)).map(
    ([path, { describe, expected }]) =>
      `| \`${path}\` | ${describe} | ${expected} | ${shown(valueAt(DEFAULT_CONFIG, path))} |`,
  );
  const [, table = ''] = readFileSync('docs/training-fields.md', 'utf8').split('| --- | --- | --- | --- |\n');
  expect(table.trim().split('\n')).toEqual(rows);
});

test('two configurations do not share what the defaults give them', () => {
  const [first, second] = [resolve({}), resolve({})];
  expect(first).toEqual(second);
  expect(first.augment.randomResizedCrop!.scale).not.toBe(second.augment.randomResizedCrop!.scale);
  expect(first.optimizer).not.toBe(DEFAULT_CONFIG.optimizer);
});

test('the defaults are the recipe of facebookresearch/deit', () => {
  const { optimizer, schedule, mix, augment, labelSmoothing, emaDecay } = resolve({});
  expect({ optimizer, schedule, mix, augment, labelSmoothing, emaDecay }).toEqual({
    optimizer: {
      lr: 5e-4,
      lrBatch: 512,
      weightDecay: 0.05,
      beta1: 0.9,
      beta2: 0.999,
      eps: 1e-8,
      clipGrad: null,
    },
    schedule: { epochs: 300, minLr: 1e-5, warmupEpochs: 5, warmupLr: 1e-6, per: 'epoch' },
    mix: { mixup: 0.8, cutmix: 1, prob: 1, switchProb: 0.5 },
    augment: {
      randomResizedCrop: { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] },
      affine: null,
      hflip: 0.5,
      colorJitter: 0.3,
      randAugment: 'rand-m9-mstd0.5-inc1',
      randomErasing: 0.25,
      repeats: 3,
    },
    labelSmoothing: 0.1,
    emaDecay: 0.99996,
  });
});

test.each([
  ['{"toString": 1}', /there is no field toString/],
  ['{"__proto__": {"x": 1}}', /there is no field __proto__/],
  ['{"data": {"__proto__": {"path": "x"}}}', /there is no field data\.__proto__/],
  ['{"augment": {"affine": {"prototype": 1}}}', /there is no field augment\.affine\.prototype/],
  [
    '{"augment": {"affine": {"scale": [1, null]}}}',
    /augment\.affine\.scale should be two numbers .*, is \[1,null\]/,
  ],
  ['{"augment": {"affine": {"scale": [1, 2, 3]}}}', /augment\.affine\.scale should be two numbers/],
  ['{"augment": {"affine": []}}', /augment\.affine should be an object of fields, is \[\]/],
  ['{"optimizer": null}', /optimizer should be an object of fields, is null/],
  ['{"schedule": {"epochs": -3}}', /schedule\.epochs should be a whole number of at least 1/],
  ['{"optimizer": {"lr": 1e999}}', /optimizer\.lr should be a number above 0/],
  ['{"data": {"format": "toString"}}', /data\.format should be one of folder, mnist, cifar10, is "toString"/],
  ['{"constructor": null}', /there is no field constructor/],
  ['{"model": {"hasOwnProperty": 1}}', /there is no field model\.hasOwnProperty/],
  ['{"optimiser": {"lr": 1}}', /there is no field optimiser/],
  ['{"workers": 5000}', /workers should be a whole number of at least 0 and at most 512, is 5000/],
  ['{"model": {"depth": 1000000}}', /model\.depth should be .*at most 1000, or none, is 1000000/],
  ['{"schedule": {"epochs": 1.5}}', /schedule\.epochs should be a whole number/],
  ['{"batchSize": 1e300}', /batchSize should be/],
  [`{"preset": "${'x'.repeat(1e5)}"}`, /^.{0,400}$/],
])('a field that is none, or absurd: %.60s', (text, message) => {
  const error = (() => {
    try {
      return resolveTrainConfig(JSON.parse(text), {}, 'my.json');
    } catch (error) {
      return error as Error;
    }
  })();
  expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
});

test('fields go over the file, groups come and go', () => {
  const given = { augment: { randomResizedCrop: null }, optimizer: { lr: 1 } };
  expect(resolve(given, { 'optimizer.lr': 2 }).optimizer.lr).toBe(2);
  expect(resolve(given).augment.randomResizedCrop).toBeNull();
  const back = resolve(given, { 'augment.randomResizedCrop.scale': [0.5, 1] });
  expect(back.augment.randomResizedCrop).toEqual({ scale: [0.5, 1], ratio: [3 / 4, 4 / 3] });
  expect(resolve({}, { 'augment.randomResizedCrop': null }).augment.randomResizedCrop).toBeNull();
  expect(resolve({}).augment.randomResizedCrop).not.toBeNull();
});

test.each([
  [[], 'my.json: it should be an object of fields, is []'],
  [{ optimizer: 3 }, 'my.json: optimizer should be an object of fields, is 3'],
  [{ lr: 3 }, 'my.json: there is no field lr; did you mean optimizer.lr?'],
  [
    { optimizer: { rate: 3 } },
    'my.json: there is no field optimizer.rate; there are lr, lrBatch, weightDecay,',
  ],
  [{ batchSize: 0 }, 'my.json: batchSize should be a whole number of at least 1 and at most 65536, is 0'],
  [{ batchSize: '8' }, 'my.json: batchSize should be a whole number of at least 1 and at most 65536, is "8"'],
  [{ optimizer: { lr: Number.NaN } }, 'my.json: optimizer.lr should be a number above 0, is NaN'],
  [{ distillation: { type: 'firm' } }, 'distillation.type should be one of none, soft, hard, is "firm"'],
  [
    { distillation: { type: 'soft' } },
    'distillation.type is soft, so distillation.teacher must name a model',
  ],
  [{ distillation: { teacher: 't' } }, 'distillation.teacher is given, but distillation.type is none'],
  [
    { augment: { affine: { scale: [2, 1] } } },
    'augment.affine.scale should be two numbers of at least 0, the smaller',
  ],
  [
    { schedule: { epochs: 3, warmupEpochs: 3 } },
    'schedule.warmupEpochs (3) must be below schedule.epochs (3)',
  ],
  [
    { model: { name: 'deit_tiny_patch16_224' }, init: { from: 'x' } },
    'model.name and init.from both give a shape',
  ],
  [{ output: '' }, 'output is empty (--output FOLDER)'],
  [{ data: { path: '' } }, 'data.path is empty (--data.path FOLDER)'],
])('%j is refused: %s', (given, message) => {
  const tree = Array.isArray(given) ? given : { ...NEEDED, ...given };
  expect(() => resolveTrainConfig(tree, {}, 'my.json')).toThrow(message);
});

test.each(Object.keys(trainConfigs))('the recipe %s is a configuration', (name) => {
  const fields = { 'data.path': 'a', 'val.path': 'b', output: 'c' };
  const teacher = trainConfigs[name]!.distillation?.type ? { 'distillation.teacher': 't' } : {};
  expect(resolveTrainConfig(trainConfigs[name], { ...fields, ...teacher }, name).output).toBe('c');
});
