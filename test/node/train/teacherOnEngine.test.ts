/** A teacher's answers on the engine: those of its layers on tfjs. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { useBackend } from '../../../src/backend.js';
import { preprocessingFor } from '../../../src/image/index.js';
import { saveLayersModel } from '../../../src/node/saveLayersModel.js';
import { teacherOnEngine } from '../../../src/node/train/engine.js';
import { openTeacher } from '../../../src/node/train/openTeacher.js';
import { fitTeacher, type Teacher } from '../../../src/train/teacher.js';
import { fixture } from '../../image/images.js';

const SIDE = 20;
const BATCH = 3;
const imgSize = [SIDE, SIDE] as const;
const images = Float32Array.from({ length: BATCH * SIDE * SIDE * 3 }, (_, i) => Math.sin(i * i * 0.3));

beforeAll(() => useBackend('wasm'));

/** The largest difference of what a teacher says of pixels on the engine and of a tensor on tfjs. */
async function difference(teacher: Teacher): Promise<number> {
  const expected = tf.tidy(() =>
    teacher.predict(tf.tensor4d(images, [BATCH, SIDE, SIDE, 3])).dataSync<'float32'>(),
  );
  const found = await teacher.predictPixels!(images, BATCH);
  expect(found).toHaveLength(expected.length);
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0) / largest;
}

async function saved(layers: tfl.layers.Layer[]): Promise<Teacher> {
  const folder = join(await mkdtemp(join(tmpdir(), 'deit-teacher-')), 'model');
  await saveLayersModel(tfl.sequential({ layers }), folder);
  return openTeacher(folder);
}

const convolution = (options = {}) =>
  tfl.layers.conv2d({
    inputShape: [SIDE, SIDE, 3],
    filters: 8,
    kernelSize: 3,
    activation: 'relu',
    ...options,
  });
const rest = () => [
  tfl.layers.batchNormalization(),
  tfl.layers.flatten(),
  tfl.layers.dropout({ rate: 0.5 }),
  tfl.layers.dense({ units: 4 }),
];

test('a tf.LayersModel from its folder, without the dropout of its training', async () => {
  const opened = await saved([convolution(), ...rest()]);
  expect(opened.predictPixels).toBeUndefined();
  const teacher = await teacherOnEngine(opened, imgSize, 2);
  expect(await difference(teacher)).toBeLessThan(1e-5);
  teacher.dispose();
});

test('a RegNet, with images normalised as it knows them', async () => {
  const teacher = await teacherOnEngine(
    await openTeacher(fileURLToPath(fixture('regnet/regnety.pth'))),
    imgSize,
  );
  const preprocessing = preprocessingFor('timm', [SIDE, SIDE]);
  const student = { imgSize, classNames: Array.from({ length: 10 }, (_, i) => `${i}`) };
  const other = { ...preprocessing, mean: [0.5, 0.4, 0.3], std: [0.5, 0.6, 0.7] } as typeof preprocessing;
  const fitted = fitTeacher({ ...teacher, labels: undefined }, { ...student, preprocessing: other });
  expect(fitted).not.toBe(teacher);
  expect(await difference(fitted)).toBeLessThan(1e-5);
  teacher.dispose();
});

test('a teacher with a layer that the engine has not stays with tfjs', async () => {
  const opened = await saved([convolution({ dilationRate: 2 }), ...rest()]);
  expect(await teacherOnEngine(opened, imgSize)).toBe(opened);
  opened.dispose();
});
