/** A model that is built in code, trained by fit() and saved is the same in another process. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {
  createModel,
  load,
  saveLayersModel,
  saveModel,
  useBackend,
  type VisionTransformer,
} from '../../src/node/index.js';
import { showNativeTensorflow, testedNativeFolder } from '../native.js';

showNativeTensorflow(); // the programs find it as this process does

const root = mkdtempSync(join(tmpdir(), 'deit-save-'));
const run = promisify(execFile);

afterAll(() => rmSync(root, { recursive: true }));

/** Both programs run the model on the same input. */
const COMMON = `
import { pathToFileURL } from 'node:url';
import * as deit from ${JSON.stringify(pathToFileURL(resolve('dist/src/node/index.js')).href)};
const { tf } = deit;
const [backend, ...folders] = process.argv.slice(2);
const values = Float32Array.from({ length: 2 * 24 * 16 * 3 }, (_, i) => Math.sin(i * 0.37));
const found = (model) => {
  const logits = [...model.predict(tf.tensor4d(values, [2, 24, 16, 3])).dataSync()];
  return { backend: model.backend, logits, config: model.config, preprocessing: model.preprocessing };
};
`;

/** Builds, trains, and saves in each way. */
const TRAINS = `${COMMON}
await deit.useBackend(backend);
const model = deit.createModel(
  { embedDim: 24, depth: 2, numHeads: 3, numClasses: 4, patchSize: 8, name: 'mine' },
  { imgSize: [24, 16], distilled: true, layerScale: 0.1 },
);
model.layersModel.compile({ optimizer: tf.train.adam(3e-3), loss: tf.losses.softmaxCrossEntropy });
const [x, y] = [tf.randomNormal([8, 24, 16, 3]), tf.oneHot([0, 1, 2, 3, 0, 1, 2, 3], 4)];
const before = found(model);
await model.layersModel.fit(x, y, { epochs: 2, batchSize: 4, verbose: 0 });
await deit.saveModel(model, folders[0]);
await deit.saveLayersModel(model.layersModel, folders[1]);
await model.layersModel.save(pathToFileURL(folders[2]).href);
console.log(JSON.stringify([before, found(model)]));
`;

const LOADS = `${COMMON}
const models = await Promise.all(folders.map((folder) => deit.load(folder, { backend })));
console.log(JSON.stringify(models.map(found)));
`;

type Found = Pick<VisionTransformer, 'backend' | 'config' | 'preprocessing'> & { logits: number[] };

/** What a program prints last: native TensorFlow prints before it. */
async function program(source: string, args: string[]): Promise<Found[]> {
  const file = join(root, 'program.mjs');
  writeFileSync(file, source);
  const { stdout } = await run(process.execPath, [file, ...args], { env: process.env });
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Found[];
}

test.each(
  testedNativeFolder ? ['wasm', 'tensorflow'] : ['wasm'],
)('trained on %s, saved in three ways, loaded elsewhere: the same logits', async (backend) => {
  const folders = ['saveModel', 'saveLayersModel', 'save'].map((way) => join(root, `${backend} ${way}`));
  const [before, after] = await program(TRAINS, [backend, ...folders]);
  expect(after!.backend).toBe(backend);
  expect(after!.logits).not.toEqual(before!.logits);
  const largest = Math.max(...after!.logits.map(Math.abs));
  for (const { logits, ...rest } of await program(LOADS, [backend, ...folders])) {
    const off = Math.max(...after!.logits.map((value, i) => Math.abs(value - logits[i]!))) / largest;
    // The loaded model runs on an engine or as a graph, whose sums are in another order than the layers'.
    expect(off).toBeLessThan(1e-5);
    expect(rest).toEqual({ backend, config: after!.config, preprocessing: after!.preprocessing });
  }
});

test('what was loaded, trained on and saved again keeps its labels', async () => {
  const model = await load('test/fixtures/models/facebook.pth', {
    backend: 'wasm',
    convert: { numHeads: 2, labels: undefined },
  });
  const labels = Array.from({ length: model.config.numClasses }, (_, i) => `class ${i}`);
  model.dispose();
  const named = await load('test/fixtures/models/facebook.pth', {
    backend: 'wasm',
    convert: { numHeads: 2, labels },
  });
  await saveModel(named, join(root, 'named'));
  const again = await load(join(root, 'named'), { backend: 'wasm' });
  expect(again.labels).toEqual(labels);
  named.dispose();
  again.dispose();
});

test('layersModel.save takes a relative file:// address, and other addresses stay tfjs’ own', async () => {
  await useBackend('wasm');
  const model = createModel(
    { embedDim: 8, depth: 1, numHeads: 2, numClasses: 2, patchSize: 8 },
    { imgSize: 8 },
  );
  const cwd = process.cwd();
  process.chdir(root);
  try {
    await model.layersModel.save('file://relative');
  } finally {
    process.chdir(cwd);
  }
  expect(existsSync(join(root, 'relative/model.json'))).toBe(true);
  await expect(model.layersModel.save('nowhere://a')).rejects.toThrow(/Cannot find any save handlers/);
  const handler = tf.io.withSaveHandler(async (artifacts) => ({
    modelArtifactsInfo: tf.io.getModelArtifactsInfoForJSON(artifacts),
  }));
  await model.layersModel.save(handler);
  model.dispose();
});

test('any tf.LayersModel is saved with its own metadata', async () => {
  await useBackend('wasm');
  const net = tfl.sequential({ layers: [tfl.layers.dense({ units: 2, inputShape: [3] })] });
  net.setUserDefinedMetadata({ own: 1 });
  await saveLayersModel(net, join(root, 'net'));
  const json = JSON.parse(readFileSync(join(root, 'net/model.json'), 'utf8'));
  expect(json.userDefinedMetadata).toEqual({ own: 1 });
  await expect(load(join(root, 'net'))).rejects.toThrow(/has no userDefinedMetadata\.deit/);
  net.dispose();
});
