import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { type Conversion, convert } from '../../../converters/convert.js';
import { bytesSource, parseCheckpoint } from '../../../converters/formats/index.js';
import { encodeWeight } from '../../../converters/write/encodeWeight.js';
import { modelTopology, writeLayersModel } from '../../../converters/write/layersModel.js';
import { useBackend } from '../../../src/backend.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { createModel } from '../../../src/models/create.js';
import { openLayersModelFolder } from '../../../src/models/layersModelFolder.js';
import { loadFrom } from '../../../src/models/load.js';
import { namedWeights } from '../../../src/models/weights.js';

type Files = Map<string, Uint8Array>;
type Dtype = 'float32' | 'float16' | 'uint8';

async function conversion(): Promise<Conversion> {
  const name = 'facebook_distilled_training.pth';
  const bytes = readFileSync(`test/fixtures/models/${name}`);
  return convert(await parseCheckpoint(bytesSource(bytes, name)), { numHeads: 2 });
}

async function written(
  source: Pick<Conversion, 'config' | 'labels' | 'preprocessing' | 'readWeight'>,
  dtype: Dtype,
) {
  const files: Files = new Map();
  const write = async (path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) => {
    const parts: Uint8Array[] = [];
    for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
    files.set(path, Buffer.concat(parts));
  };
  await writeLayersModel(source, { write }, { dtype });
  return files;
}

/** As tf.loadLayersModel(url) does, from memory. */
async function loadByTfjs(files: Files): Promise<tfl.LayersModel> {
  const json = JSON.parse(new TextDecoder().decode(files.get('model.json')));
  const [{ paths, weights }] = json.weightsManifest;
  const data = Buffer.concat(paths.map((path: string) => files.get(path)));
  const artifacts = {
    modelTopology: json.modelTopology,
    weightSpecs: weights,
    weightData: Uint8Array.from(data).buffer,
    userDefinedMetadata: json.userDefinedMetadata,
  };
  return tfl.loadLayersModel({ load: async () => artifacts });
}

const openFiles = (files: Files) =>
  openLayersModelFolder({ name: 'folder', read: async (path) => files.get(path) as Uint8Array });

describe.each(['float32', 'float16', 'uint8'] as const)('%s', (dtype) => {
  test('tfjs’ own loader and ours give the same weights, near the checkpoint’s', async () => {
    await useBackend('wasm');
    const source = await conversion();
    const files = await written(source, dtype);
    const theirs = await loadByTfjs(files);
    const ours = await loadFrom(await openFiles(files), { backend: 'wasm' });
    for (const [name, weight] of namedWeights(theirs)) {
      const values = weight.read().dataSync();
      expect(namedWeights(ours.layersModel).get(name)?.read().dataSync()).toEqual(values);
      const exact = await source.readWeight(name);
      const range = Math.max(...exact) - Math.min(...exact, 0);
      const tolerance = { float32: 0, float16: 2 ** -10 * range, uint8: range / 255 }[dtype];
      for (let i = 0; i < exact.length; i++)
        expect(Math.abs(values[i]! - exact[i]!)).toBeLessThanOrEqual(tolerance);
    }
    theirs.dispose();
    ours.dispose();
  });

  test('writing twice gives the same bytes', async () => {
    const [first, second] = [
      await written(await conversion(), dtype),
      await written(await conversion(), dtype),
    ];
    expect([...first.keys()]).toEqual(['group1-shard1of1.bin', 'model.json']);
    for (const [path, bytes] of first) expect(Buffer.compare(bytes, second.get(path) as Uint8Array)).toBe(0);
  });
});

test('a saved and loaded model is written to the same bytes again', async () => {
  const files = await written(await conversion(), 'float32');
  const again = await written(await openFiles(files), 'float32');
  for (const [path, bytes] of files) expect(Buffer.compare(bytes, again.get(path) as Uint8Array)).toBe(0);
});

test('the topology is what tfjs itself saves', async () => {
  const model = createModel(
    { embedDim: 12, depth: 2, numHeads: 3, imgSize: [32, 32], distilled: true },
    { numClasses: 4 },
  );
  expect(modelTopology(model.config)).toEqual(model.layersModel.toJSON(null, false));
  model.dispose();
});

test('weights are cut into shards of 4 MiB across their borders', async () => {
  await useBackend('wasm');
  const model = createModel({ embedDim: 192, depth: 3, numHeads: 3, imgSize: [32, 32] });
  const weights = namedWeights(model.layersModel);
  const readWeight = async (name: string) => weights.get(name)?.read().dataSync() as Float32Array;
  const files = await written(
    { ...model, config: model.config, labels: undefined, preprocessing: model.preprocessing, readWeight },
    'float32',
  );
  const sizes = [...files].filter(([path]) => path.endsWith('.bin')).map(([, bytes]) => bytes.length);
  expect(sizes.length).toBeGreaterThan(1);
  expect(new Set(sizes.slice(0, -1))).toEqual(new Set([4 * 1024 * 1024]));
  const reread = await openFiles(files);
  for (const name of weights.keys()) {
    expect(
      Buffer.compare(
        Buffer.from((await reread.readWeight(name)).buffer),
        Buffer.from((await readWeight(name)).slice().buffer),
      ),
    ).toBe(0);
  }
  model.dispose();
});

test('float16 refuses what it cannot hold', () => {
  expect(() => encodeWeight('head.kernel', Float32Array.of(70000), 2, 'float16')).toThrow(
    /head\.kernel: 70000 is beyond float16's 65504; convert with --dtype float32/,
  );
});

describe('a damaged folder is refused in one line', () => {
  test.each<[string, (files: Files) => void, RegExp]>([
    [
      'model.json no JSON',
      (f) => f.set('model.json', Buffer.from('<html>')),
      /folder: model\.json is not JSON/,
    ],
    ['other model.json', (f) => f.set('model.json', Buffer.from('{}')), /no userDefinedMetadata\.deit/],
    [
      'a short shard',
      (f) => f.set('group1-shard1of1.bin', Buffer.alloc(100)),
      /weight files are shorter than model\.json says/,
    ],
  ])('%s', async (_, damage, message) => {
    const files = await written(await conversion(), 'float32');
    damage(files);
    const load = async () => loadFrom(await openFiles(files), { backend: 'wasm' });
    await expect(load()).rejects.toThrow(message);
  });

  test('leaves no tensor behind', async () => {
    const files = await written(await conversion(), 'float32');
    files.set('group1-shard1of1.bin', Buffer.alloc(100));
    const before = tf.memory().numTensors;
    await loadFrom(await openFiles(files), { backend: 'wasm' }).catch(() => {});
    expect(tf.memory().numTensors).toBe(before);
  });
});

test.each([
  ['whole files', false],
  ['parts of files', true],
])('weights are read in any order from %s, across shards', async (_, inParts) => {
  const files = await written(await conversion(), 'float32');
  const inOrder = await openFiles(files);
  // The same bytes in shards of 1,000.
  const json = JSON.parse(Buffer.from(files.get('model.json')!).toString());
  const [group] = json.weightsManifest;
  const bytes = Buffer.concat(group.paths.map((path: string) => files.get(path)!));
  const shards: Files = new Map();
  for (let at = 0; at < bytes.length; at += 1000) shards.set(`${at}.bin`, bytes.subarray(at, at + 1000));
  group.paths = [...shards.keys()];
  shards.set('model.json', Buffer.from(JSON.stringify(json)));
  const open = () =>
    openLayersModelFolder({
      name: 'folder',
      read: async (path) => shards.get(path)!,
      size: async (path) => shards.get(path)!.length,
      ...(inParts && {
        readInto: async (path: string, position: number, target: Uint8Array) => {
          const part = shards.get(path)!.subarray(position, position + target.length);
          target.set(part);
          return part.length === target.length;
        },
      }),
    });
  expect(shards.size).toBeGreaterThan(10);
  const last = await open();
  for (const { name } of weightSpecs(last.config).reverse()) {
    const wanted = await inOrder.readWeight(name);
    expect(await last.readWeight(name)).toEqual(wanted);
    // As the first one of its folder.
    expect(await (await open()).readWeight(name)).toEqual(wanted);
  }
});
