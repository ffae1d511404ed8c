import { fromBinary } from '@bufbuild/protobuf';
import { beforeAll, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { writeGraphWithoutValues, writeSavedModel } from '../../../converters/write/savedModel/index.js';
import {
  DataType,
  type SavedModel,
  SavedModelSchema,
} from '../../../converters/write/savedModel/tensorflow_pb.js';
import type { VitConfig } from '../../../src/families/vit/config.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { createModel } from '../../../src/models/create.js';
import { assignWeights } from '../../../src/models/weights.js';
import { MemorySink, runGraph } from './graphModel.js';

const config: VitConfig = {
  name: 'deit_test',
  imgSize: [12, 8],
  patchSize: 4,
  inChans: 3,
  numClasses: 5,
  embedDim: 8,
  depth: 2,
  numHeads: 2,
  mlpRatio: 2,
  qkvBias: true,
  layerScale: null,
  distilled: false,
  posEmbedPrefix: true,
  dropPathRate: 0,
  layerNormEps: 1e-6,
};

beforeAll(async () => {
  await tf.setBackend('cpu');
});

/** Lively weights, the same for the same name. */
function reader(config: VitConfig) {
  const sizes = new Map(
    weightSpecs(config).map(({ name, shape }) => [name, shape.reduce((a, b) => a * b, 1)]),
  );
  return async (name: string) => {
    const size = sizes.get(name);
    if (size === undefined) throw new Error(`the model has no weight ${name}`);
    const seed = [...name].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 9973, 7);
    return tf
      .tidy(() => tf.randomNormal([size], 0.1, 0.4, 'float32', seed).dataSync() as Float32Array)
      .slice();
  };
}

async function savedModel(config: VitConfig): Promise<SavedModel> {
  const sink = new MemorySink();
  await writeSavedModel(config, reader(config), sink);
  expect([...sink.files.keys()]).toEqual(['saved_model.pb']);
  return fromBinary(SavedModelSchema, sink.files.get('saved_model.pb')!);
}

const variants: [string, Partial<VitConfig>][] = [
  ['a plain model', {}],
  ['a distilled model (mean of both heads)', { distilled: true }],
  ['DeiT III (LayerScale, no positions for the class token)', { layerScale: 0.1, posEmbedPrefix: false }],
  ['no query, key and value bias', { qkvBias: false }],
  ['no head: features of the class token', { numClasses: 0 }],
  ['no heads: the mean of both tokens', { numClasses: 0, distilled: true }],
  ['one block', { depth: 1, distilled: true }],
  ['the mean of the patches', { pool: 'mean' }],
  ['the mean of the patches, then a norm', { pool: 'mean', fcNorm: true, finalNorm: false }],
  ['class token and mean side by side (DINOv2)', { pool: 'token_mean' }],
  ['no class token', { classToken: false, pool: 'mean', posEmbedPrefix: false }],
  [
    'attention pooling (SigLIP)',
    { classToken: false, pool: 'map', posEmbedPrefix: false, activation: 'gelu_tanh' },
  ],
  ['attention pooling without a head', { classToken: false, pool: 'map', numClasses: 0 }],
  ['attention pooling of the patches behind registers', { pool: 'map', registers: 2 }],
  ['attention pooling of all tokens', { pool: 'map', registers: 2, poolPrefix: true }],
  ['registers, positions for the class token alone (DINOv2)', { registers: 3, layerScale: 0.1 }],
  ['registers with positions', { registers: 3, registerPositions: true }],
  ['registers without positions', { registers: 3, posEmbedPrefix: false }],
  ['norms of queries and keys', { qkNorm: true }],
  ['SwiGLU', { swiglu: true }],
  ['parallel branches', { parallel: 2, layerScale: 0.1 }],
  [
    'CLIP: a norm before the blocks, no patch bias',
    { preNorm: true, patchBias: false, activation: 'quick_gelu' },
  ],
  [
    'CLIP, the mean of the patches without a last norm',
    { preNorm: true, patchBias: false, pool: 'mean', finalNorm: false },
  ],
  ['no last norm', { finalNorm: false }],
  ['a hidden layer before the head', { preLogits: 6 }],
  ['ReLU', { activation: 'relu' }],
  ['oblong patches', { patchSize: [4, 2] }],
  ['one head of a distilled model (Hugging Face)', { distilled: true, distilledHead: false }],
];

test.each(variants)('the graph gives what the layers give: %s', async (_, overrides) => {
  const variant = { ...config, ...overrides };
  const { metaGraphs } = await savedModel(variant);
  const model = createModel(variant);
  await assignWeights(model.layersModel, reader(variant));
  const x = tf.randomNormal([3, ...variant.imgSize, 3], 0, 1, 'float32', 5) as tf.Tensor4D;
  const expected = model.predict(x);
  const actual = await runGraph(metaGraphs[0]!.graphDef!, x);
  expect(actual.shape).toEqual(expected.shape);
  const error = tf.max(tf.abs(tf.sub(actual, expected))).dataSync()[0]!;
  const scale = tf.max(tf.abs(expected)).dataSync()[0]!;
  expect(error / scale).toBeLessThan(1e-5);
});

test('the signature is the one that TensorFlow Serving looks for, with a free batch size', async () => {
  const { savedModelSchemaVersion, metaGraphs } = await savedModel(config);
  expect(savedModelSchemaVersion).toBe(1n);
  expect(metaGraphs).toHaveLength(1);
  expect(metaGraphs[0]!.metaInfoDef!.tags).toEqual(['serve']);
  const signature = metaGraphs[0]!.signatureDef.serving_default!;
  expect(signature.methodName).toBe('tensorflow/serving/predict');
  const dims = (name: 'inputs' | 'outputs', key: string) =>
    signature[name][key]!.tensorShape!.dim.map((dim) => Number(dim.size));
  expect(dims('inputs', 'images')).toEqual([-1, 12, 8, 3]);
  expect(dims('outputs', 'logits')).toEqual([-1, 5]);
  const names = metaGraphs[0]!.graphDef!.node.map((node) => node.name);
  for (const end of [signature.inputs.images!, signature.outputs.logits!]) {
    expect(end.dtype).toBe(DataType.DT_FLOAT);
    expect(names).toContain(end.name.replace(/:0$/, ''));
  }
});

test('weights are written one after the other, never the model at once', async () => {
  const sink = new MemorySink();
  await writeSavedModel(config, reader(config), sink);
  const largestWeight =
    4 * Math.max(...weightSpecs(config).map(({ shape }) => shape.reduce((a, b) => a * b, 1)));
  expect(sink.largestChunk).toBeLessThanOrEqual(largestWeight);
});

test('without values: a small file whose every variable is assigned by one signature', async () => {
  const sink = new MemorySink();
  const groups = await writeGraphWithoutValues(config, reader(config), sink);
  const bytes = sink.files.get('saved_model.pb')!;
  expect(bytes.length).toBeLessThan(100_000);
  const { signatureDef, graphDef } = fromBinary(SavedModelSchema, bytes).metaGraphs[0]!;
  const nodes = new Map(graphDef!.node.map((node) => [node.name, node]));
  const assigned = groups.flatMap(({ signature, inputs, output }) => {
    const { inputs: declared, outputs } = signatureDef[signature]!;
    expect(Object.keys(declared).sort()).toEqual(Object.keys(inputs).sort());
    const done = nodes.get(outputs[output]!.name.replace(/:0$/, ''))!;
    return done.input.map((name) => nodes.get(name.slice(1))!);
  });
  const handles = graphDef!.node.filter(({ op }) => op === 'VarHandleOp').map(({ name }) => name);
  expect(handles.length).toBeGreaterThan(20);
  expect(assigned.map(({ input }) => input[0]).sort()).toEqual(handles.sort());
  for (const { op, input } of assigned) {
    expect(op).toBe('AssignVariableOp');
    expect(nodes.get(input[1]!)!.attr.shape).toEqual(nodes.get(input[0]!)!.attr.shape);
  }
});

test('a model that does not fit into a SavedModel is refused before a weight is read', async () => {
  const huge = { ...config, embedDim: 1280, depth: 32, numHeads: 16, mlpRatio: 4 };
  const read = async () => {
    throw new Error('read');
  };
  await expect(writeSavedModel(huge, read, new MemorySink())).rejects.toThrow(/at most 2 GiB.*2\.\d\d GiB/);
});

test('a weight of the wrong size is refused', async () => {
  const read = async (name: string) => (await reader(config)(name)).subarray(name === 'norm.gamma' ? 1 : 0);
  await expect(writeSavedModel(config, read, new MemorySink())).rejects.toThrow(
    'deit_test: norm.gamma should have 8 values, [8], but has 7',
  );
});
