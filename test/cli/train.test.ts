import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { Random } from '../../src/random.js';
import { writeDigits } from '../node/train/digitsFolder.js';
import { startDeit } from '../reliability/deit.js';
import { killTraining } from '../reliability/killedTraining.js';
import { until } from '../reliability/until.js';
import { deit } from './captureCli.js';

let digits: string;
let config: string;
beforeAll(async () => {
  digits = await writeDigits(320, 20);
  config = join(await mkdtemp(join(tmpdir(), 'deit-config-')), 'tiny.json');
  const data = { format: 'mnist', path: digits };
  const model = { imgSize: 28, patchSize: 7, embedDim: 16, depth: 2, numHeads: 2 };
  const augment = { affine: { degrees: 5 } };
  await writeFile(config, JSON.stringify({ model, data, val: data, augment, batchSize: 16, workers: 0 }));
});

const newFolder = () => mkdtemp(join(tmpdir(), 'deit-train-'));

test('killed at seeded moments and resumed: every bit as an unbroken run', async () => {
  const random = Random.fromSeed(11);
  const { different } = await killTraining(3, () => 0.4 + 0.5 * random.uniform(), 4);
  expect(different).toEqual([]);
}, 300_000);

test('Ctrl-C saves and says how to go on; a second run meanwhile is refused', async () => {
  const output = await newFolder();
  const first = startDeit('train', config, '--output', output);
  const metrics = () => readFile(join(output, 'metrics.jsonl'), 'utf8').catch(() => '');
  await until(async () => (await metrics()).includes('"step":3'), first.err);
  const second = await startDeit('train', config, '--output', output, '--resume').ended;
  expect(second.code).toBe(1);
  expect(second.err).toContain(`process ${first.child.pid} has been training into this folder`);
  first.child.kill('SIGINT');
  const { code, err } = await first.ended;
  expect(code).toBe(130);
  expect(err).toMatch(/stopped and saved after step \d+; deit train --resume --output .* goes on from there/);
  const lines = (await readFile(join(output, 'metrics.jsonl'), 'utf8')).trim().split('\n');
  const { step } = JSON.parse(lines.at(-1)!);
  const resumed = startDeit('train', '--resume', '--output', output);
  const goesOn = `goes on after step ${step} `;
  await until(() => resumed.err().includes(goesOn), resumed.err);
  resumed.child.kill('SIGTERM');
  expect((await resumed.ended).code).toBe(143);
});

test('a loss that is not finite ends the run, and names step, batch and images', async () => {
  const output = await newFolder();
  const lr = ['--optimizer.lr', '1e30', '--optimizer.lrBatch', 'none', '--schedule.warmupEpochs', '0'];
  const { code, err } = await deit('train', config, '--output', output, ...lr);
  expect(code).toBe(1);
  expect(err).toMatch(/step \d+ \(epoch 0, batch \d+\): the (loss is|gradients are not finite)/);
  expect(err).not.toContain('a defect');
});

test('a recipe whose name is a property of every object is none', async () => {
  const { code, err } = await deit('train', '__proto__', '--output', 'x');
  expect(code).toBe(1);
  expect(err).toMatch(/__proto__: give a configuration file/);
});

test.each([
  [['--batchSize', 'many'], '--batchSize should be a whole number of at least 1 and at most 65536, got many'],
  [['--augment.affine.scale', '1,x'], '--augment.affine.scale should be two numbers'],
  [['--train.attentionOnly', 'yes'], '--train.attentionOnly should be true or false, got yes'],
  [['--learningRate', '1'], 'Unknown argument: learningRate'],
  [['--workers', '4', '--workers', '8'], '--workers is given 2 times'],
])('wrong usage %j: exit code 2', async (args, message) => {
  const { code, err } = await deit('train', config, '--output', 'x', ...args);
  expect(code).toBe(2);
  expect(err).toContain(message);
});
