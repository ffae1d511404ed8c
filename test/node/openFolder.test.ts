import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Conversion } from '../../converters/convert.js';
import { openAnyModel, openModel } from '../../src/node/openModel.js';
import { startSandbox } from './hub/sandbox.js';

const VIT = 'test/fixtures/folders/vit';
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'deit-folder-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function open(path: string): Promise<Conversion> {
  const opened = await openModel(path);
  await opened.close();
  return opened.source as Conversion;
}

test('a folder and the file in it are the same model, by the config.json beside it', async () => {
  for (const path of [VIT, join(VIT, 'model.safetensors')]) {
    const { config, labels, preprocessing, assumptions } = await open(path);
    expect(config).toMatchObject({ numHeads: 4, layerNormEps: 1e-12 });
    expect(labels).toEqual(['cat', 'dog', 'hen']);
    expect(preprocessing).toMatchObject({ preset: 'preprocessor_config.json', mean: [0.5, 0.5, 0.5] });
    expect(assumptions).toEqual([]);
  }
});

test('a file without config.json, or beside one of another program, goes by its tensors, and that is said', async () => {
  copyFileSync(join(VIT, 'model.safetensors'), join(folder, 'model.safetensors'));
  await expect(open(folder)).rejects.toThrow(/--num-heads/);
  for (const config of [undefined, '{"epochs": 3}', 'no JSON']) {
    if (config !== undefined) writeFileSync(join(folder, 'config.json'), config);
    await expect(open(join(folder, 'model.safetensors'))).rejects.toThrow(/--num-heads/);
  }
  await expect(open(folder)).rejects.toThrow(/config\.json: is not JSON/);
});

test('a folder of weights alone is read, in shards too', async () => {
  const own = mkdtempSync(join(folder, 'shards-'));
  for (const name of readdirSync('test/fixtures/folders/vit_sharded')) {
    if (name !== 'config.json')
      copyFileSync(join('test/fixtures/folders/vit_sharded', name), join(own, name));
  }
  const opened = await openModel(own, { numHeads: 4 });
  await opened.close();
  expect(opened.source.config).toMatchObject({ numHeads: 4, depth: 2 });
  expect(opened.source.assumptions).toContainEqual(expect.objectContaining({ field: 'preprocessing' }));
});

test('a folder of folders is told the latest', async () => {
  const run = mkdtempSync(join(folder, 'run-'));
  for (const name of ['checkpoint-500', 'checkpoint-1000', 'logs']) mkdirSync(join(run, name));
  for (const name of ['checkpoint-500', 'checkpoint-1000']) {
    copyFileSync(join(VIT, 'config.json'), join(run, name, 'config.json'));
  }
  await expect(open(run)).rejects.toThrow(`give ${join(run, 'checkpoint-1000')}`);
  await expect(open(join(run, 'logs'))).rejects.toThrow('give a folder made by deit-convert');
});

test('a part of a distributed checkpoint is told how to be joined', async () => {
  const path = join(folder, '__0_0.distcp');
  writeFileSync(path, 'PK\x03\x04');
  await expect(open(path)).rejects.toThrow(/found a part of a distributed checkpoint .*dcp_to_torch/);
  rmSync(path);
});

describe('a RegNet in timm’s folder', () => {
  const config = {
    architecture: 'regnetx_002',
    num_classes: 10,
    global_pool: 'avg',
    model_args: { num_classes: 10, in_chans: 3, global_pool: 'avg' },
    label_names: [...'abcdefghij'],
    pretrained_cfg: {
      input_size: [3, 288, 288],
      crop_pct: 1,
      interpolation: 'bilinear',
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
  };
  async function openRegnet(fields: object) {
    const own = mkdtempSync(join(folder, 'regnet-'));
    copyFileSync('test/fixtures/regnet/regnetx.pth', join(own, 'pytorch_model.bin'));
    writeFileSync(join(own, 'config.json'), JSON.stringify({ ...config, ...fields }));
    const opened = await openAnyModel(own);
    await opened.close();
    return opened.source;
  }

  test('has its images and classes, and nothing is assumed', async () => {
    const { family, config: shape, preprocessing, labels, assumptions } = await openRegnet({});
    expect(family).toBe('regnet');
    expect(shape.imgSize).toEqual([288, 288]);
    expect(preprocessing).toMatchObject({
      resize: { mode: 'short', size: 288 },
      interpolation: 'bilinear',
      crop: [288, 288],
      mean: [0.5, 0.5, 0.5],
    });
    expect(labels).toEqual(config.label_names);
    expect(assumptions).toEqual([]);
  });

  test('names that do not fit are left out, and that is said', async () => {
    const { labels, assumptions } = await openRegnet({ label_names: ['a', 'b'] });
    expect(labels).toBeUndefined();
    expect(assumptions).toMatchObject([{ field: 'labels', value: 'none' }]);
  });

  test.each<[string, object, RegExp]>([
    ['another activation', { model_args: { act_layer: 'silu' } }, /act_layer is "silu": .* of a RegNet/],
    ['another pooling', { global_pool: 'max' }, /global_pool is "max"; expected avg/],
    ['a RegNetZ', { architecture: 'regnetz_005' }, /"regnetz_005", which is of timm's regnet\.py/],
  ])('refuses %s', async (_, fields, message) => {
    await expect(openRegnet(fields)).rejects.toThrow(message);
  });

  test('without a description is known by its tensors', async () => {
    const own = mkdtempSync(join(folder, 'regnet-'));
    copyFileSync('test/fixtures/regnet/regnetx.pth', join(own, 'regnetx.pth'));
    const opened = await openAnyModel(own);
    await opened.close();
    expect(opened.source.family).toBe('regnet');
  });
});

test('a folder of open_clip, and the file in it, go by open_clip_config.json', async () => {
  const own = mkdtempSync(join(folder, 'open-clip-'));
  copyFileSync('test/fixtures/folders/timm/model.safetensors', join(own, 'open_clip_model.safetensors'));
  const vision_cfg = { timm_model_name: 'deit_tiny_patch16_224', image_size: 32 };
  writeFileSync(join(own, 'open_clip_config.json'), JSON.stringify({ model_cfg: { vision_cfg } }));
  for (const path of [own, join(own, 'open_clip_model.safetensors')]) {
    await expect(open(path)).rejects.toThrow(
      /\(open_clip_config\.json: model_cfg: vision_cfg: timm_model_name\)/,
    );
  }
});

test('shards are read by their index', async () => {
  const names = readdirSync('test/fixtures/folders/vit_sharded');
  expect(names.filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(1);
  const { report } = await open('test/fixtures/folders/vit_sharded');
  expect(report.source).toMatch(/model\.safetensors\.index\.json$/);
});

test('of several weights none is taken without a word', async () => {
  copyFileSync(join(VIT, 'config.json'), join(folder, 'config.json'));
  rmSync(join(folder, 'model.safetensors'));
  for (const name of ['a.safetensors', 'b.safetensors']) {
    copyFileSync(join(VIT, 'model.safetensors'), join(folder, name));
  }
  await expect(open(folder)).rejects.toThrow(
    /several files could be the weights: a\.safetensors, b\.safetensors/,
  );
  expect((await open(join(folder, 'b.safetensors'))).config.numHeads).toBe(4);
});

test('a name on the hub is read as its folder is', async () => {
  const sandbox = await startSandbox();
  try {
    sandbox.reset();
    const bytes = (name: string) => ({ bytes: new Uint8Array(readFileSync(join(VIT, name))) });
    sandbox.add('cats/vit', Object.fromEntries(readdirSync(VIT).map((name) => [name, bytes(name)])));
    const [there, here] = [await open('hf:cats/vit'), await open(VIT)];
    expect(there.config).toEqual(here.config);
    expect(there.preprocessing).toEqual(here.preprocessing);
    expect(there.labels).toEqual(here.labels);
  } finally {
    await sandbox.close();
  }
});
