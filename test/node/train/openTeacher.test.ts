import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { imagenetLabels, imagenetSynsets } from '../../../configs/imagenet.js';
import { useBackend } from '../../../src/backend.js';
import { saveLayersModel } from '../../../src/node/saveLayersModel.js';
import { openTeacher } from '../../../src/node/train/openTeacher.js';
import { fitTeacher, type Teacher } from '../../../src/train/teacher.js';

const imagenet = { mean: [0.485, 0.456, 0.406] as const, std: [0.229, 0.224, 0.225] as const };
const preprocessing = {
  preset: 'deit',
  resize: { mode: 'short' as const, size: 4 },
  crop: [4, 4] as const,
  ...imagenet,
};
const student = { imgSize: [4, 4] as const, classNames: ['cat', 'dog'], preprocessing };

let x: tf.Tensor4D;
beforeAll(async () => {
  await useBackend('wasm');
  x = tf.randomNormal<tf.Rank.R4>([3, 4, 4, 3], 0, 1, 'float32', 1);
});

const newFolder = () => mkdtemp(join(tmpdir(), 'deit-teacher-'));
const logits = (teacher: Teacher) => tf.tidy(() => Array.from(teacher.predict(x).dataSync()));

function expectNear(actual: number[], expected: number[]): void {
  expect(actual).toHaveLength(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, 5);
}

test('any tf.LayersModel, without the dropout of its training', async () => {
  const layers = [
    tfl.layers.flatten({ inputShape: [4, 4, 3] }),
    tfl.layers.dropout({ rate: 0.5 }),
    tfl.layers.dense({ units: 2 }),
  ];
  const model = tfl.sequential({ layers });
  const folder = join(await newFolder(), 'model');
  await saveLayersModel(model, folder);
  const teacher = fitTeacher(await openTeacher(folder), student);
  const expected = tf.tidy(() => Array.from((model.predict(x) as tf.Tensor).dataSync()));
  expectNear(logits(teacher), expected);
  teacher.dispose();
});

/** A graph as TensorFlow's converter writes it: x [-1, 4, 4, 3] flattened, times a constant. */
async function writeGraph(classes: number): Promise<string> {
  const folder = await newFolder();
  const shape = (dims: number[]) => ({ dim: dims.map((size) => ({ size: String(size) })) });
  const constant = (name: string, dtype: string, dims: number[]) => ({
    name,
    op: 'Const',
    attr: { dtype: { type: dtype }, value: { tensor: { dtype, tensorShape: shape(dims) } } },
  });
  const type = { type: 'DT_FLOAT' };
  const modelTopology = {
    node: [
      { name: 'x', op: 'Placeholder', attr: { dtype: type, shape: { shape: shape([-1, 4, 4, 3]) } } },
      constant('rows', 'DT_INT32', [2]),
      constant('kernel', 'DT_FLOAT', [48, classes]),
      { name: 'flat', op: 'Reshape', input: ['x', 'rows'], attr: { T: type, Tshape: { type: 'DT_INT32' } } },
      {
        name: 'logits',
        op: 'MatMul',
        input: ['flat', 'kernel'],
        attr: { T: type, transpose_a: { b: false }, transpose_b: { b: false } },
      },
    ],
    versions: { producer: 1000 },
  };
  const weights = [
    { name: 'rows', shape: [2], dtype: 'int32' },
    { name: 'kernel', shape: [48, classes], dtype: 'float32' },
  ];
  const json = {
    format: 'graph-model',
    modelTopology,
    weightsManifest: [{ paths: ['weights.bin'], weights }],
  };
  const kernel = Float32Array.from({ length: 48 * classes }, (_, i) => Math.sin(i));
  await writeFile(join(folder, 'model.json'), JSON.stringify(json));
  const bytes = Buffer.concat([Buffer.from(Int32Array.of(-1, 48).buffer), Buffer.from(kernel.buffer)]);
  await writeFile(join(folder, 'weights.bin'), bytes);
  return folder;
}

test('any tf.GraphModel', async () => {
  const teacher = fitTeacher(await openTeacher(await writeGraph(2)), student);
  const expected = tf.tidy(() => {
    const kernel = tf.tensor2d(
      Float32Array.from({ length: 96 }, (_, i) => Math.sin(i)),
      [48, 2],
    );
    return Array.from(tf.matMul(tf.reshape(x, [3, 48]), kernel).dataSync());
  });
  expectNear(logits(teacher), expected);
  teacher.dispose();
});

test('a graph whose shapes do not tell is asked', async () => {
  const teacher = await openTeacher(await writeGraph(5));
  expect(() => fitTeacher(teacher, student)).toThrow('has 5 classes, the training data 2');
  teacher.dispose();
});

test('classes of ImageNet: by synset in the folders, by words in the teacher', () => {
  const teacher = (labels: readonly string[]): Teacher => ({
    name: 'x',
    numClasses: 1000,
    imgSize: null,
    labels,
    normalization: imagenet,
    predict: () => tf.zeros([1, 1000]),
    dispose: () => {},
  });
  const taught = { ...student, classNames: imagenetSynsets };
  const named = teacher(imagenetLabels);
  expect(fitTeacher(named, taught)).toBe(named);
  expect(() => fitTeacher(teacher(imagenetLabels.toReversed()), taught)).toThrow(/class 0 is ".+" there/);
  const mine = imagenetSynsets.toReversed();
  expect(() => fitTeacher(named, { ...taught, classNames: mine })).toThrow(/class 0 is "tench, Tinca tinca"/);
});

test('a teacher made for another normalisation gets it', () => {
  const seen: number[][] = [];
  const teacher: Teacher = {
    name: 'of levels 0…1',
    numClasses: 2,
    imgSize: null,
    labels: ['cat', 'dog'],
    normalization: { mean: [0, 0, 0], std: [1, 1, 1] },
    predict: (given) => {
      seen.push(Array.from(given.dataSync()));
      return tf.zeros([given.shape[0], 2]);
    },
    dispose: () => {},
  };
  tf.dispose(fitTeacher(teacher, student).predict(x));
  const normalised = x.dataSync();
  for (const [i, value] of seen[0]!.entries()) {
    expect(value).toBeCloseTo(normalised[i]! * imagenet.std[i % 3]! + imagenet.mean[i % 3]!, 5);
  }
  const other = { ...teacher, labels: ['dog', 'cat'] };
  expect(() => fitTeacher(other, student)).toThrow('class 0 is "dog" there and "cat" in the training data');
});
