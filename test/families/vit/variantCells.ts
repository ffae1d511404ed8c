/** What works for a variant: one function a column, which throws a UserError where it is refused. */
import { fromBinary } from '@bufbuild/protobuf';
import { expect } from '@jest/globals';
import * as tf from '@tensorflow/tfjs';
import { convertWithFacts } from '../../../converters/convertWithFacts.js';
import { bytesSource, parseCheckpoint } from '../../../converters/formats/index.js';
import { writeLayersModel } from '../../../converters/write/layersModel.js';
import { writeSavedModel } from '../../../converters/write/savedModel/index.js';
import { SavedModelSchema } from '../../../converters/write/savedModel/tensorflow_pb.js';
import { stateDictChunks } from '../../../converters/write/stateDict.js';
import { attentionMap, attentionStack, relevance, rollout } from '../../../src/explain/index.js';
import { gridSize, numTokens, type VitConfig } from '../../../src/families/vit/config.js';
import { openLayersModelFolder } from '../../../src/models/layersModelFolder.js';
import { loadFrom, type ModelSource } from '../../../src/models/load.js';
import { defaultPreprocessing } from '../../../src/models/preprocessing.js';
import type { VisionTransformer } from '../../../src/models/visionTransformer.js';
import { startFrom } from '../../../src/train/startModel.js';
import { computeGradients } from '../../../src/train/step.js';
import { studentOf } from '../../../src/train/student.js';
import { MemorySink, runGraph } from '../../converters/write/graphModel.js';
import { difference, expected } from '../../engines/wasm/models.js';
import { BATCH, type Variant } from './variants.js';

/** Largest difference of logits, relative to the largest. */
const FLOAT32 = 1e-5;
/** Eight bits of a narrow model with random weights; of trained models docs/wasm.md has accuracies. */
const INT8 = 0.05;

type Columns = Readonly<Record<string, (variant: Variant) => Promise<void>>>;

/** Columns for which nothing has to be installed. */
export const COLUMNS: Columns = {
  float32: async (variant) => expectLogits(variant, await predicted(variant, { backend: 'wasm' })),
  int8: async (variant) => {
    const found = await predicted(variant, { backend: 'wasm', quantize: 'int8' });
    const off = difference(found, await reference(variant));
    expect(off).toBeLessThan(INT8);
    expect(off).toBeGreaterThan(0);
  },
  'layers model': async (variant) => {
    const sink = new MemorySink();
    await writeLayersModel({ ...sourceOf(variant), labels: undefined }, sink);
    const read = async (path: string) => new Uint8Array(sink.files.get(path)!);
    const opened = await openLayersModelFolder({ name: 'memory', read });
    await expectLogits(variant, await predicted(variant, { backend: 'wasm' }, opened));
    await expectLogits(variant, await plainTfjs(variant, sink));
  },
  SavedModel: async (variant) => {
    const sink = new MemorySink();
    await writeSavedModel(variant.config, sourceOf(variant).readWeight, sink);
    const { metaGraphs } = fromBinary(SavedModelSchema, sink.files.get('saved_model.pb')!);
    const logits = await runGraph(metaGraphs[0]!.graphDef!, inputOf(variant));
    await expectLogits(variant, (await logits.data()) as Float32Array);
  },
  'attention maps': attentionMaps,
  relevance: relevanceMap,
  training,
  export: exported,
};

/** Columns that need what `deit setup-native` installs. */
export const NATIVE_COLUMNS: Columns = {
  'native graph': async (variant) =>
    await expectLogits(variant, await predicted(variant, { backend: 'tensorflow' })),
};
export const XLA_COLUMNS: Columns = {
  XLA: async (variant) => expectLogits(variant, await predicted(variant, { backend: 'xla' })),
};

function sourceOf({ config, weights }: Variant): ModelSource {
  return {
    family: 'vit',
    config,
    labels: undefined,
    preprocessing: defaultPreprocessing(config),
    assumptions: [],
    readWeight: async (name: string) => weights.get(name)!,
    weightBytes: 0,
  };
}

const shapeOf = ({ imgSize, inChans }: VitConfig, batch: number): [number, number, number, number] => [
  batch,
  ...imgSize,
  inChans,
];
const inputOf = ({ config, images }: Variant) => tf.tensor4d(images, shapeOf(config, BATCH));

const known = new Map<string, Promise<Float32Array>>();
function reference(variant: Variant): Promise<Float32Array> {
  const key = JSON.stringify(variant.config);
  if (!known.has(key)) known.set(key, expected(variant.config, variant.weights, variant.images, BATCH));
  return known.get(key)!;
}

async function expectLogits(variant: Variant, found: Float32Array): Promise<void> {
  expect(difference(found, await reference(variant))).toBeLessThan(FLOAT32);
}

/** What a loaded model predicts, by its runtime and, from the same weights, by its embedding. */
async function predicted(
  variant: Variant,
  options: Parameters<typeof loadFrom>[1] & { backend: string },
  source = sourceOf(variant),
): Promise<Float32Array> {
  const model = await loadFrom(source, { ...options, threads: 1 });
  try {
    expect(model.backend).toBe(options.backend);
    return await model.predictPixels(variant.images, BATCH);
  } finally {
    model.dispose();
  }
}

/** The written folder in tfjs itself, which knows the layers alone. */
async function plainTfjs(variant: Variant, sink: MemorySink): Promise<Float32Array> {
  await tf.setBackend('cpu');
  const json = JSON.parse(sink.files.get('model.json')!.toString());
  const shards = json.weightsManifest[0].paths.map((path: string) => sink.files.get(path)!);
  const model = await tf.loadLayersModel(
    tf.io.fromMemory({
      modelTopology: json.modelTopology,
      weightSpecs: json.weightsManifest[0].weights,
      weightData: new Uint8Array(Buffer.concat(shards)).buffer,
    }),
  );
  const logits = model.predict(inputOf(variant)) as tf.Tensor;
  model.dispose();
  return logits.data<'float32'>();
}

async function withModel<T>(variant: Variant, use: (model: VisionTransformer) => Promise<T>): Promise<T> {
  const model = await loadFrom(sourceOf(variant), { backend: 'wasm', threads: 1 });
  try {
    return await use(model);
  } finally {
    model.dispose();
  }
}

/** One image as the model's input, on its backend. */
function oneImage(model: VisionTransformer, { config, images }: Variant): tf.Tensor4D {
  const shape = shapeOf(config, 1);
  const size = shape.reduce((a, b) => a * b, 1);
  return model.onBackend(() => tf.tensor4d(images.slice(0, size), shape));
}

/** The token whose attention is asked: the class token where there is one. */
const queryOf = ({ classToken }: VitConfig) => (classToken === false ? 'mean' : 'cls');

async function attentionMaps(variant: Variant): Promise<void> {
  const { config } = variant;
  await withModel(variant, async (model) => {
    const stack = await attentionStack(model, oneImage(model, variant));
    expect(stack.layers).toHaveLength(config.depth * (config.parallel ?? 1));
    const tokens = numTokens(config);
    for (const weights of stack.layers) {
      expect(weights).toHaveLength(config.numHeads * tokens * tokens);
      for (let row = 0; row < config.numHeads * tokens; row++) {
        const sum = weights.subarray(row * tokens, (row + 1) * tokens).reduce((a, b) => a + b, 0);
        expect(Math.abs(sum - 1)).toBeLessThan(1e-5);
      }
    }
    const token = queryOf(config);
    for (const map of [attentionMap(stack, { token }), rollout(stack, { token })]) {
      expect([map.rows, map.cols]).toEqual(gridSize(config));
      expect(map.data.every((value) => value >= 0 && Number.isFinite(value))).toBe(true);
      expect(new Set(map.data).size).toBeGreaterThan(map.data.length / 2);
    }
  });
}

async function relevanceMap(variant: Variant): Promise<void> {
  await withModel(variant, async (model) => {
    const { data, rows, cols } = await relevance(model, oneImage(model, variant));
    expect([rows, cols]).toEqual(gridSize(variant.config));
    expect(data.every((value) => value >= 0 && Number.isFinite(value))).toBe(true);
    expect(data.some((value) => value > 0)).toBe(true);
  });
}

const CLASSES = 7;

/**
 * The gradients of every weight, against the difference of the loss along them: each weight moves along its own gradient,
 * all by the same length, so that a wrong gradient of one is seen. A backbone gets a fresh head, as in `deit train`.
 */
async function training(given: Variant): Promise<void> {
  const config = given.config.numClasses > 0 ? given.config : { ...given.config, numClasses: CLASSES };
  const { readWeight } = startFrom(sourceOf(given), config, { scheme: 'xavier', seed: 1, name: 'variant' });
  const source = { ...sourceOf(given), config, readWeight };
  const model = await loadFrom(source, { backend: 'wasm', threads: 1 });
  await tf.setBackend('wasm');
  try {
    const student = studentOf(model, { frozenBlocks: 0, attentionOnly: false }, true);
    const targets = tf.tidy(() => tf.oneHot(tf.tensor1d([1, 4], 'int32'), CLASSES) as tf.Tensor2D);
    const batch = { images: inputOf({ ...given, config }), targets };
    const loss = () => {
      const found = computeGradients(student, batch, { type: 'none', alpha: 0, tau: 1 }, () => 1);
      return { ...found, value: found.total.dataSync()[0]! };
    };
    const { byWeight } = loss();
    expect(Object.keys(byWeight).sort()).toEqual([...student.weights.keys()].sort());
    const norms = Object.entries(byWeight).map(([name, gradient]) => {
      const norm = tf.norm(gradient).dataSync()[0]!;
      expect([name, Number.isFinite(norm) && norm > 0]).toEqual([name, true]);
      return [name, norm] as const;
    });
    const step = 5e-4;
    const moved = (by: number) => {
      for (const [name, norm] of norms) {
        const weight = student.weights.get(name)!;
        weight.write(tf.add(weight.read(), tf.mul(byWeight[name]!, by / norm)));
      }
    };
    moved(step);
    const above = loss().value;
    moved(-2 * step);
    const below = loss().value;
    const slope = norms.reduce((sum, [, norm]) => sum + norm, 0);
    expect((above - below) / (2 * step) / slope).toBeCloseTo(1, 2);
  } finally {
    model.dispose();
  }
}

/** Written as PyTorch's state_dict, read back and computed: the same logits, with nothing assumed of the network. */
async function exported(variant: Variant): Promise<void> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stateDictChunks({ ...sourceOf(variant), labels: undefined })) chunks.push(chunk);
  const file = await parseCheckpoint(bytesSource(Buffer.concat(chunks), 'exported.safetensors'));
  const options = { imgSize: variant.config.imgSize };
  const back = await convertWithFacts(file, options);
  await expectLogits(variant, await predicted(variant, { backend: 'wasm' }, back));
}
