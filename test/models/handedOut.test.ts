/** What a model shows of itself does not change what it computes: nobody can write to it. */
import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from '@jest/globals';
import { convertRegnet } from '../../converters/convertRegnet.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import {
  createModel,
  DEFAULT_CONFIG,
  loadRegnet,
  preprocessingFor,
  presetNames,
  resolveConfig,
  resolveTrainConfig,
  teacherOfModel,
  useBackend,
} from '../../src/index.js';
import { load } from '../../src/node/load.js';
import { load as loadOnWasm } from '../../src/node/wasm.js';
import { fixture } from '../image/images.js';

beforeAll(async () => {
  await useBackend('wasm');
});

const SMALL = { imgSize: [16, 16], patchSize: 8, embedDim: 8, depth: 1, numHeads: 2, numClasses: 3 } as const;

/** Where something below `value` can be written to; undefined if nowhere. */
function writable(value: unknown, path: string): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (!Object.isFrozen(value)) return path;
  return Object.entries(value)
    .map(([name, inner]) => writable(inner, `${path}.${name}`))
    .find((found) => found !== undefined);
}

const SHOWN = ['config', 'labels', 'preprocessing', 'assumptions'] as const;

const DIGITS = new URL('../../../examples/digits/deit_digits_distilled.pth', import.meta.url);

const models = {
  created: async () => createModel(SMALL),
  loaded: () => load(readFileSync(DIGITS), { backend: 'wasm' }),
  'on the wasm engine': () => loadOnWasm(readFileSync(DIGITS)),
  regnet: async () =>
    loadRegnet(
      await convertRegnet(await parseCheckpoint(new Uint8Array(readFileSync(fixture('regnet/regnety.pth'))))),
    ),
};

test.each(
  Object.entries(models),
)('%s: every field that it shows is frozen to its leaves', async (_, make) => {
  const model = await make();
  for (const field of SHOWN) {
    expect(writable(model[field], field)).toBeUndefined();
    expect(() => Object.assign(model, { [field]: undefined })).toThrow(TypeError);
  }
  model.dispose();
});

test('what a model is made of may be changed after it: the model has copies', () => {
  const imgSize: [number, number] = [16, 16];
  const model = createModel({ ...SMALL, imgSize });
  imgSize[0] = 32;
  expect(model.config.imgSize).toEqual([16, 16]);
  model.dispose();
});

test.each([
  ['preprocessingFor', preprocessingFor('deit', [224, 224])],
  ['presetNames', presetNames],
  ['resolveConfig', resolveConfig('deit_tiny_patch16_224')],
  ['DEFAULT_CONFIG', DEFAULT_CONFIG],
  ['resolveTrainConfig', resolveTrainConfig({ output: 'a', data: { path: 'b' }, val: { path: 'c' } })],
])('%s: is frozen to its leaves, as the whole process reads it', (name, value) => {
  expect(writable(value, name)).toBeUndefined();
});

test('a teacher’s normalisation is frozen', () => {
  const teacher = teacherOfModel(createModel(SMALL));
  expect(writable(teacher.normalization, 'normalization')).toBeUndefined();
  teacher.dispose();
});
