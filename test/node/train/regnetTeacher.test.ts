import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { imagenetLabels, imagenetSynsets } from '../../../configs/imagenet.js';
import { useBackend } from '../../../src/backend.js';
import { preprocessingFor } from '../../../src/image/index.js';
import { openModel, openTeacher } from '../../../src/node/index.js';
import { runTraining } from '../../../src/node/train/run.js';
import { FILES } from '../../../src/node/train/runFolder.js';
import { resolveTrainConfig } from '../../../src/train/resolveConfig.js';
import { fitTeacher } from '../../../src/train/teacher.js';
import { fixture } from '../../image/images.js';
import { writeDigits } from './digitsFolder.js';

const path = fileURLToPath(fixture('regnet/regnety.pth'));

beforeAll(async () => {
  await useBackend('wasm');
});

test("a RegNet's checkpoint opens as a teacher, with PyTorch's logits", async () => {
  const reference = JSON.parse(await readFile(fixture('regnet/regnet.json'), 'utf8'))['regnety.pth'];
  const { size, logits } = reference.cases[0];
  const teacher = await openTeacher(path);
  expect([teacher.numClasses, teacher.imgSize, teacher.normalization?.mean]).toEqual([
    10,
    null,
    [0.485, 0.456, 0.406],
  ]);
  const values = Float32Array.from({ length: size[0] * size[1] * 3 }, (_, i) => Math.sin(i * 0.37));
  const y = tf.tidy(() =>
    teacher.predict(tf.tensor4d(values, [1, ...size, 3] as [number, number, number, number])),
  );
  for (const [i, value] of (await y.data()).entries()) expect(value).toBeCloseTo(logits[i], 4);
  y.dispose();
  teacher.dispose();
});

test.each(['soft', 'hard'])('a student learns from it, %s', async (type) => {
  const digits = await writeDigits(24, 10);
  const data = { format: 'mnist', path: digits };
  const output = join(await mkdtemp(join(tmpdir(), 'deit-regnet-')), 'run');
  const config = resolveTrainConfig(
    {
      model: { imgSize: 32, patchSize: 8, embedDim: 8, depth: 1, numHeads: 2, distilled: true },
      data,
      val: data,
      distillation: { type, teacher: path },
      schedule: { epochs: 1, warmupEpochs: 0 },
      batchSize: 8,
      workers: 0,
      output,
    },
    {},
  );
  const result = await runTraining(config);
  expect(result).toMatchObject({ end: 'done', steps: 3 });
  const lines = String(await readFile(join(output, FILES.metrics)))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  for (const line of lines.filter(({ kind }) => kind === 'step')) expect(line.teacher).toBeGreaterThan(0);
});

test("ImageNet's folders, named by synset, are the classes of a teacher with ImageNet's labels", async () => {
  const teacher = { ...(await openTeacher(path)), numClasses: 1000, labels: imagenetLabels };
  const preprocessing = preprocessingFor('deit', [32, 32]);
  const taught = (classNames: readonly string[]) =>
    fitTeacher(teacher, { imgSize: [32, 32], classNames, preprocessing });
  expect(taught(imagenetSynsets)).toBe(teacher);
  expect(taught(imagenetLabels)).toBe(teacher);
  const [first, second, ...others] = imagenetSynsets as readonly [string, string, ...string[]];
  const turned = [second, first, ...others];
  expect(() => taught(turned)).toThrow(
    `class 0 is "${imagenetLabels[0]}" there and "${turned[0]}" in the training data`,
  );
  teacher.dispose();
});

test('opened as a model it is named for what it is', async () => {
  await expect(openModel(path)).rejects.toThrow('a RegNet, which is evaluated');
});
