import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { groupTensors } from '../../src/cli/groupTensors.js';
import { deit } from './captureCli.js';

const MODELS = 'test/fixtures/models';
const FOLDERS = 'test/fixtures/folders';
const empty = mkdtempSync(join(tmpdir(), 'deit-inspect-'));
afterAll(() => rmSync(empty, { recursive: true }));

const inspect = (...args: string[]) => deit('inspect', ...args);

test('tensors of one shape whose names differ in a number are one group; gaps are seen', () => {
  const tensor = (name: string, ...shape: number[]) => ({ name, shape, dtype: 'float32' });
  const tensors = [
    ...[0, 1, 2, 5].map((n) => tensor(`blocks.${n}.fc.weight`, 4, 2)),
    tensor('blocks.3.fc.weight', 4, 3),
    tensor('head', 2),
  ];
  expect(groupTensors(tensors)).toEqual([
    { name: 'blocks.0…2,5.fc.weight', shape: [4, 2], dtype: 'float32', count: 4 },
    { name: 'blocks.3.fc.weight', shape: [4, 3], dtype: 'float32', count: 1 },
    { name: 'head', shape: [2], dtype: 'float32', count: 1 },
  ]);
});

test('a training checkpoint: tensors, metadata, both models, what is assumed and left over', async () => {
  const { code, out } = await inspect(`${MODELS}/facebook_distilled_training.pth`, '--num-heads', '2');
  expect(code).toBe(0);
  expect(out).toMatch(/^model\.blocks\.0…1\.attn\.qkv\.weight +\[48, 16\] +float32 +2$/m);
  expect(out).toMatch(/^ {2}args\.model: deit$/m);
  expect(out).toMatch(/^model found under "model\.", names of facebook$/m);
  expect(out).toMatch(/^model found under "model_ema\.", .*--root takes it$/m);
  expect(out).toMatch(/^ {2}network .*numHeads 2/m);
  expect(out).toMatch(/^ {2}assumed +root "model\.": .*--root/m);
  expect(out).toMatch(/^ {2}left over +.*optimizer\.state\.0\.exp_avg/m);
  const ema = await inspect(
    `${MODELS}/facebook_distilled_training.pth`,
    '--num-heads',
    '2',
    '--root',
    'model_ema',
  );
  expect(ema.out).toMatch(/^model found under "model_ema\.", names of facebook$/m);
});

test('a file that cannot be converted lists its tensors and says why; reading it succeeded', async () => {
  const file = `${MODELS}/facebook_distilled_training.pth`;
  const { code, out } = await inspect(file);
  expect(code).toBe(0);
  expect(out).toMatch(/^model\.head\.weight /m);
  expect(out).toMatch(/^cannot be converted: .*--num-heads/m);
  const json = JSON.parse((await inspect(file, '--json')).out);
  expect(json).toMatchObject({ converts: false, refusal: expect.stringMatching(/--num-heads/) });
  expect(json.models).toHaveLength(2);
  expect(json.tensors).toHaveLength(68);
});

test('a folder: what lies beside the weights is told; another kind of model is named', async () => {
  const json = JSON.parse((await inspect(`${FOLDERS}/vit`, '--json')).out);
  expect(json).toMatchObject({ converts: true, naming: 'huggingface' });
  expect(json.preprocessing.preset).toMatch(/preprocessor_config\.json/);
  const shards = JSON.parse((await inspect(`${FOLDERS}/vit_sharded`, '--json')).out);
  expect(shards.converts).toBe(true);
  const beit = await inspect(`${FOLDERS}/beit`);
  expect(beit.code).toBe(0);
  expect(beit.out).toMatch(/relative_position_bias_table/);
  expect(beit.out).toMatch(/^cannot be converted: .*BEiT/m);
});

test('what cannot be read is an error', async () => {
  expect(await inspect(join(empty, 'none.pth'))).toMatchObject({ code: 1, out: '' });
  const { code, err } = await inspect(empty);
  expect(code).toBe(1);
  expect(err).toMatch(/^deit: [^\n]+\n$/);
});
