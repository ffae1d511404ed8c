import { readFileSync } from 'node:fs';
import { beforeAll, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { convertRegnet, isRegnet } from '../../converters/convertRegnet.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import type { Checkpoint, CheckpointTensor } from '../../converters/formats/types.js';
import { useBackend } from '../../src/backend.js';
import { countRegnetParameters } from '../../src/families/regnet/config.js';
import { loadRegnet } from '../../src/models/regnet.js';
import '../../src/node/native/backend.js';
import { fixture } from '../image/images.js';
import { showNativeTensorflow, testedNativeFolder } from '../native.js';

showNativeTensorflow();

beforeAll(async () => {
  await useBackend('wasm');
});

interface Case {
  readonly size: [number, number];
  readonly logits: number[];
}

interface Reference {
  readonly parameters: number;
  readonly cases: readonly [Case, Case, ...Case[]];
}

/** PyTorch's logits: test/fixtures/make_regnet.py. */
const reference: Record<string, Reference> = JSON.parse(readFileSync(fixture('regnet/regnet.json'), 'utf8'));

const open = (file: string) => parseCheckpoint(new Uint8Array(readFileSync(fixture(`regnet/${file}`))));

/** The script's input: sin of the running index. */
function input(height: number, width: number): tf.Tensor4D {
  const values = Float32Array.from({ length: height * width * 3 }, (_, i) => Math.sin(i * 0.37));
  return tf.tensor4d(values, [1, height, width, 3]);
}

/** The largest difference, relative to the largest of the reference. */
function relativeDifference(found: ArrayLike<number>, expected: readonly number[]): number {
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(found[i]! - value))) / largest;
}

/** As the checkpoint, with torchvision's names. */
function inTorchvisionNames({ tensors, ...checkpoint }: Checkpoint): Checkpoint {
  const rename = (name: string) =>
    name
      .replace('model.', '')
      .replace('head.fc', 'fc')
      .replace(/^stem\.conv/, 'stem.0')
      .replace(/^stem\.bn/, 'stem.1')
      .replace(/^s(\d)\.b(\d+)/, (_, s, b) => `trunk_output.block${s}.block${s}-${b - 1}`)
      .replace('downsample.conv', 'proj.0')
      .replace('downsample.bn', 'proj.1')
      .replace(/conv(\d)\.conv/, (_, i) => `f.${'_abc'[i]}.0`)
      .replace(/conv(\d)\.bn/, (_, i) => `f.${'_abc'[i]}.1`)
      .replace('se.fc', 'f.se.fc');
  return { ...checkpoint, tensors: new Map([...tensors].map(([name, tensor]) => [rename(name), tensor])) };
}

test.each(Object.entries(reference))("%s: the logits are PyTorch's", async (file, { cases }) => {
  const before = tf.memory().numTensors;
  const model = await loadRegnet(convertRegnet(await open(file)));
  for (const { size, logits } of cases) {
    const [x, twice] = tf.tidy(() => [
      input(...size),
      tf.concat([input(...size), tf.zeros([1, ...size, 3])]),
    ]);
    const y = model.predict(x as tf.Tensor4D);
    const both = model.predict(twice as tf.Tensor4D);
    expect(relativeDifference(await y.data(), logits)).toBeLessThan(1e-5);
    expect(relativeDifference((await both.data()).slice(0, 10), logits)).toBeLessThan(1e-5);
    tf.dispose([x, twice, y, both]);
  }
  model.dispose();
  expect(tf.memory().numTensors).toBe(before);
});

const others = testedNativeFolder ? ['cpu', 'tensorflow'] : ['cpu'];

test.each(others)('%s, without kernels of our own, gives the same', async (backend) => {
  await (backend === 'cpu' ? tf.setBackend('cpu') : useBackend(backend));
  try {
    const model = await loadRegnet(convertRegnet(await open('regnety.pth')));
    const { size, logits } = reference['regnety.pth']!.cases[1];
    const y = tf.tidy(() => model.predict(input(...size)));
    expect(relativeDifference(await y.data(), logits)).toBeLessThan(1e-5);
    y.dispose();
    model.dispose();
  } finally {
    await useBackend('wasm');
  }
});

test.each(Object.entries(reference))('%s: parameters as PyTorch counts them', async (file, {
  parameters,
}) => {
  expect(countRegnetParameters(convertRegnet(await open(file)).config)).toBe(parameters);
});

test("torchvision's names give the same weights", async () => {
  const checkpoint = await open('regnety.pth');
  const timm = convertRegnet(checkpoint);
  const torchvision = convertRegnet(inTorchvisionNames(checkpoint));
  expect([timm.naming, torchvision.naming]).toEqual(['timm', 'torchvision']);
  expect(torchvision.config).toEqual(timm.config);
  for (const name of [
    'stem.kernel',
    's2.b1.downsample.bias',
    's1.b1.conv2.kernel1',
    's3.b1.se.fc2.kernel',
    'head.bias',
  ]) {
    expect(await torchvision.readWeight(name)).toEqual(await timm.readWeight(name));
  }
});

test('the layers save and load as any tfjs model', async () => {
  const model = await loadRegnet(convertRegnet(await open('regnety.pth')));
  let saved: tf.io.ModelArtifacts | undefined;
  await model.layersModel.save(
    tf.io.withSaveHandler(async (artifacts) => {
      saved = artifacts;
      return { modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts) };
    }),
  );
  const loaded = await tfl.loadLayersModel(tf.io.fromMemory(saved!));
  const { size, logits } = reference['regnety.pth']!.cases[0];
  const y = tf.tidy(() => loaded.predict(input(...size)) as tf.Tensor);
  expect(relativeDifference(await y.data(), logits)).toBeLessThan(1e-5);
  tf.dispose(y);
  loaded.dispose();
  model.dispose();
});

const tensorOf = (name: string, shape: number[]) => {
  const read = async () => new Float32Array(shape.reduce((a, b) => a * b, 1));
  return [name, { name, dtype: 'float32', shape, read }] as const;
};

test('what lies around a RegNet is refused, said, or training’s', async () => {
  const checkpoint = await open('regnety.pth');
  const around = (...extra: (readonly [string, CheckpointTensor])[]) =>
    convertRegnet({ ...checkpoint, tensors: new Map([...extra, ...checkpoint.tensors]) });
  const fieldsOf = ({ assumptions }: { assumptions: readonly { field: string }[] }) =>
    assumptions.map(({ field }) => field);
  expect(fieldsOf(around())).toEqual(['preprocessing', 'activation']);
  expect(() => around(tensorOf('fc.weight', [3, 10]))).toThrow(
    /beside the RegNet "model\." lie fc\.weight, which fit its outputs or its input.*save the RegNet alone/,
  );
  expect(() => around(tensorOf('model.final_conv.weight', [3, 4, 1, 1]))).toThrow(
    /1 tensor\(s\) belong to no part of a RegNetX or RegNetY \(timm naming\): model\.final_conv\.weight/,
  );
  expect(fieldsOf(around(tensorOf('temperature', [1])))).toContain('beside');
  expect(fieldsOf(around(tensorOf('optimizer.state.0.exp_avg', [3, 10])))).not.toContain('beside');
});

test('of several RegNets the weights themselves are taken, and that is said; equals are refused', async () => {
  const checkpoint = await open('regnety.pth');
  const copies = (root: string, factor: number): [string, CheckpointTensor][] =>
    [...checkpoint.tensors].map(([name, one]) => {
      const other = name.replace('model.', root);
      return [other, { ...one, name: other, read: async () => (await one.read()).map((v) => v * factor) }];
    });
  const both = (root: string) =>
    convertRegnet({ ...checkpoint, tensors: new Map([...copies(root, 2), ...checkpoint.tensors]) });
  const { assumptions, readWeight } = both('model_ema.');
  expect(assumptions[0]).toMatchObject({ field: 'root', value: '"model."' });
  expect(await readWeight('head.bias')).toEqual(await convertRegnet(checkpoint).readWeight('head.bias'));
  expect(() => both('second.')).toThrow(
    /2 RegNets in it, and nothing tells which is meant: "second\.", "model\."/,
  );
});

test('a missing tensor, one of another shape and another network are one clear line each', async () => {
  const checkpoint = await open('regnety.pth');
  const changed = (
    edit: (
      tensors: Map<string, typeof checkpoint.tensors extends ReadonlyMap<string, infer T> ? T : never>,
    ) => void,
  ) => {
    const tensors = new Map(checkpoint.tensors);
    edit(tensors);
    return { ...checkpoint, tensors };
  };
  const missing = changed((tensors) => tensors.delete('model.s2.b1.conv3.bn.running_var'));
  expect(() => convertRegnet(missing)).toThrow('the tensor model.s2.b1.conv3.bn.running_var is missing');
  const wrong = changed((tensors) => {
    tensors.set('model.head.fc.bias', { ...tensors.get('model.head.fc.bias')!, shape: [8] });
  });
  expect(() => convertRegnet(wrong)).toThrow('model.head.fc.bias should have shape [10], has [8]');
  const scalar = changed((tensors) => {
    tensors.set('model.stem.conv.weight', { ...tensors.get('model.stem.conv.weight')!, shape: [] });
  });
  expect(() => convertRegnet(scalar)).toThrow('model.stem.conv.weight should be a kernel [out, in, …]');
  const none = changed((tensors) => tensors.clear());
  expect(isRegnet(none)).toBe(false);
  expect(() => convertRegnet(none)).toThrow('no RegNet in it');
});
