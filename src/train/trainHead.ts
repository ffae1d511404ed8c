import * as tf from '@tensorflow/tfjs-core';
import { LayerVariable } from '@tensorflow/tfjs-layers';
import { checkArguments } from '../checkArguments.js';
import { checkOptions } from '../checkOptions.js';
import { UserError } from '../errors.js';
import { headNames, headWidth, type VitConfig } from '../families/vit/config.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { adamW, type OptimizerState } from './optimizer/index.js';
import { cosineWithWarmup } from './schedule.js';
import { applyGradients, computeGradients, disposeGradients, initialState } from './step.js';
import type { Student } from './student.js';

/** What a head is trained on: rows of headFeatures, and the class of each. */
export interface HeadExamples {
  /** Each float32 [heads · W], W being the width of what a head reads. */
  readonly features: readonly Float32Array[];
  /** Whole numbers from 0 to numClasses − 1. */
  readonly labels: readonly number[];
  readonly numClasses: number;
}

export interface HeadTrainingOptions {
  /** Steps of AdamW on all examples at once. */
  readonly steps?: number;
  readonly learningRate?: number;
  readonly weightDecay?: number;
  /** Called, and awaited, after each step with the number of steps done and the mean cross entropy in nats. */
  readonly onStep?: (done: number, loss: number) => void | Promise<void>;
  readonly signal?: AbortSignal;
}

/** Weights of the heads by name: `head.kernel` [W, classes] and `head.bias`, and `head_dist`'s of a distilled model. */
export type HeadWeights = ReadonlyMap<string, Float32Array>;

const STEPS = 200;
const LEARNING_RATE = 0.01;
const WEIGHT_DECAY = 0.05;
const END_OF_SCHEDULE = 1e-5;
/** A feature that is the same in all examples is not divided by nothing. */
const LEAST_DEVIATION = 1e-6;

/**
 * Trains heads for classes of one's own on features that stay as they are: AdamW on the cross entropy of all examples at
 * once, with a cosine schedule. Two heads of a distilled model learn together, by the mean of their logits, as they answer.
 * Features are standardised by their mean and deviation over the examples, which is then folded into the weights.
 *
 * @param model whose heads are to be replaced; it is not changed
 * @throws UserError if a class has no example, or there are fewer than two classes
 */
export async function trainHead(
  model: VisionTransformer,
  examples: HeadExamples,
  options: HeadTrainingOptions = {},
): Promise<HeadWeights> {
  checkArguments('trainHead', { model: ['model', model], examples: ['examples', examples] });
  checkOptions('trainHead', options, {
    steps: 'counting',
    learningRate: 'positive',
    weightDecay: 'atLeast0',
    onStep: 'function',
    signal: 'signal',
  });
  const { steps = STEPS, learningRate = LEARNING_RATE, weightDecay = WEIGHT_DECAY } = options;
  checkExamples(model.config, examples);
  const scale = standardisation(examples.features);
  const student = headStudent(model, examples.numClasses);
  const optimizer = adamW(
    { weightDecay, clipGrad: null, beta1: 0.9, beta2: 0.999, eps: 1e-8 },
    student.decays,
  );
  const schedule = { duration: steps, lr: learningRate, minLr: END_OF_SCHEDULE, warmup: 0, warmupLr: 0 };
  const batch = student.onBackend(() => batchOf(examples, scale));
  let state: OptimizerState = initialState(optimizer, student);
  try {
    for (let step = 0; step < steps; step++) {
      options.signal?.throwIfAborted();
      const gradients = computeGradients(student, batch, { type: 'none', alpha: 0, tau: 1 }, () => 1);
      const [loss] = await gradients.total.data();
      const at = { state, count: step + 1, learningRate: cosineWithWarmup(schedule, step) };
      state = applyGradients(student, optimizer, gradients.byWeight, at);
      disposeGradients(gradients);
      if (!Number.isFinite(loss))
        throw new UserError(`the loss is ${loss} after ${step} steps; lower learningRate`);
      await options.onStep?.(step + 1, loss!);
    }
    return await foldedWeights(student, model, scale);
  } finally {
    tf.dispose([batch.images, batch.targets]);
    for (const slot of Object.values(state)) tf.dispose(slot);
    for (const weight of student.weights.values()) weight.dispose();
  }
}

function checkExamples(config: VitConfig, { features, labels, numClasses }: HeadExamples): void {
  const width = headNames(config).length * headWidth(config);
  if (numClasses < 2) throw new UserError(`expected at least two classes, got ${numClasses}`);
  if (features.length !== labels.length) {
    throw new UserError(`expected a label for each of ${features.length} examples, got ${labels.length}`);
  }
  for (const [i, row] of features.entries()) {
    if (row.length !== width)
      throw new UserError(`example ${i}: expected ${width} features, got ${row.length}`);
    if (!row.every(Number.isFinite)) throw new UserError(`example ${i}: a feature is not finite`);
  }
  const odd = labels.find((label) => !Number.isInteger(label) || label < 0 || label >= numClasses);
  if (odd !== undefined) throw new UserError(`expected labels from 0 to ${numClasses - 1}, got ${odd}`);
  const empty = Array.from({ length: numClasses }, (_, i) => i).find((label) => !labels.includes(label));
  if (empty !== undefined) throw new UserError(`class ${empty} has no example`);
}

/** x → (x − mean) / deviation, feature by feature. */
interface Standardisation {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

function standardisation(rows: readonly Float32Array[]): Standardisation {
  const width = rows[0]!.length;
  const [mean, deviation] = [new Float64Array(width), new Float64Array(width)];
  for (const row of rows) for (let i = 0; i < width; i++) mean[i]! += row[i]! / rows.length;
  for (const row of rows)
    for (let i = 0; i < width; i++) deviation[i]! += (row[i]! - mean[i]!) ** 2 / rows.length;
  return { mean, deviation: deviation.map((square) => Math.max(Math.sqrt(square), LEAST_DEVIATION)) };
}

/** The examples as a batch of images of one pixel, whose channels are the features. */
function batchOf({ features, labels, numClasses }: HeadExamples, { mean, deviation }: Standardisation) {
  const width = mean.length;
  const values = new Float32Array(features.length * width);
  for (const [row, own] of features.entries()) {
    for (let i = 0; i < width; i++) values[row * width + i] = (own[i]! - mean[i]!) / deviation[i]!;
  }
  return {
    images: tf.tensor4d(values, [features.length, 1, 1, width]),
    targets: tf.tidy(
      () => tf.cast(tf.oneHot(tf.tensor1d([...labels], 'int32'), numClasses), 'float32') as tf.Tensor2D,
    ),
  };
}

/** Heads that start from zero and read features in place of images. */
function headStudent(model: VisionTransformer, numClasses: number): Student {
  const names = headNames(model.config);
  const width = headWidth(model.config);
  const zeros = (shape: number[]) => {
    const start = tf.zeros(shape);
    const weight = new LayerVariable(start);
    start.dispose(); // the variable is a tensor beside it
    return weight;
  };
  const weights = new Map<string, LayerVariable>();
  model.onBackend(() => {
    for (const name of names) {
      weights.set(`${name}.kernel`, zeros([width, numClasses]));
      weights.set(`${name}.bias`, zeros([numClasses]));
    }
  });
  const logits = (x: tf.Tensor4D) => {
    const each = tf
      .split(tf.reshape(x, [x.shape[0], names.length * width]), names.length, 1)
      .map((part, i) => {
        const read = (suffix: string) => weights.get(`${names[i]}.${suffix}`)!.read();
        return tf.add(tf.matMul(part as tf.Tensor2D, read('kernel') as tf.Tensor2D), read('bias'));
      });
    return tf.div(tf.addN(each), names.length) as tf.Tensor2D;
  };
  return {
    weights,
    trainable: [...weights.keys()],
    decays: (name) => name.endsWith('.kernel'),
    forward: (x) => ({ head: logits(x) }),
    predict: (x) => model.onBackend(() => tf.tidy(() => logits(x))),
    onBackend: (run) => model.onBackend(run),
  };
}

/** The weights for features as they are: kernel / deviation, and bias − mean · kernel / deviation. */
async function foldedWeights(
  { weights }: Student,
  model: VisionTransformer,
  { mean, deviation }: Standardisation,
): Promise<HeadWeights> {
  const folded = new Map<string, Float32Array>();
  const width = headWidth(model.config);
  for (const [place, name] of headNames(model.config).entries()) {
    const kernel = Float32Array.from(await weights.get(`${name}.kernel`)!.read().data());
    const bias = Float64Array.from(await weights.get(`${name}.bias`)!.read().data());
    const classes = bias.length;
    for (let row = 0; row < width; row++) {
      const feature = place * width + row;
      for (let column = 0; column < classes; column++) {
        const at = row * classes + column;
        const value = kernel[at]! / deviation[feature]!;
        kernel[at] = value;
        bias[column]! -= mean[feature]! * value;
      }
    }
    folded.set(`${name}.kernel`, kernel);
    folded.set(`${name}.bias`, Float32Array.from(bias));
  }
  return folded;
}
