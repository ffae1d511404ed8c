import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startDeit } from '../reliability/deit.js';
import { deit } from './captureCli.js';

/** A converted model whose weights are finite, and so large that its logits are not. */
const folder = mkdtempSync(join(tmpdir(), 'deit-not-finite-'));
const model = join(folder, 'model');
const val = 'examples/digits/val';
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => {
  const checkpoint = 'examples/digits/deit_digits_distilled.pth';
  execFileSync(process.execPath, ['dist/converters/cli.js', checkpoint, model], { stdio: 'ignore' });
  const json = JSON.parse(readFileSync(join(model, 'model.json'), 'utf8'));
  const [{ paths, weights }] = json.weightsManifest as [
    { paths: [string]; weights: { name: string; shape: number[] }[] },
  ];
  const shard = join(model, paths[0]);
  const bytes = readFileSync(shard);
  let at = 0;
  for (const { name, shape } of weights) {
    const length = shape.reduce((a, b) => a * b, 1);
    if (/^head.*kernel$/.test(name)) {
      for (let i = 0; i < length; i++) bytes.writeFloatLE(3e38, at + 4 * i);
    }
    at += 4 * length;
  }
  writeFileSync(shard, bytes);
});

const backend = ['--backend', 'wasm'];

test('deit predict names the image, and prints no probabilities', async () => {
  const { code, out, err } = await deit('predict', model, join(val, '0/00003.png'), ...backend);
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(/0\/00003\.png: .*(?:Infinity|NaN)/);
  const json = await deit('predict', model, join(val, '0/00003.png'), '--json', ...backend);
  expect(JSON.parse(json.out)).toEqual([
    { file: join(val, '0/00003.png'), error: expect.stringMatching(/00003\.png: .*(?:Infinity|NaN)/) },
  ]);
});

test.each(['0', '2'])('deit eval names it on %s threads, and gives no accuracy', async (workers) => {
  const predictions = join(folder, `${workers}.jsonl`);
  const args = ['--predictions', predictions, '--workers', workers, '--json'];
  const { code, out, err } = await startDeit('eval', model, val, ...args, ...backend).ended;
  expect({ code, out }).toEqual({ code: 1, out: '' });
  expect(err).toMatch(/deit: \S*val\/0\/00003\.png: the model's logit for class \d is -?(?:Infinity|NaN); /);
  expect(existsSync(predictions)).toBe(false);
});
