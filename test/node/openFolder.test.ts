import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Conversion } from '../../converters/convert.js';
import { openModel } from '../../src/node/openModel.js';
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
  await expect(open(folder)).rejects.toThrow(
    `model.json: is missing, and there is no config.json; give ${join(folder, 'model.safetensors')}`,
  );
  for (const config of [undefined, '{"epochs": 3}', 'no JSON']) {
    if (config !== undefined) writeFileSync(join(folder, 'config.json'), config);
    await expect(open(join(folder, 'model.safetensors'))).rejects.toThrow(/--num-heads/);
  }
  await expect(open(folder)).rejects.toThrow(/config\.json: is not JSON/);
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
