import { augmentSchema, dataSchema, mixSchema } from '../data/config.js';
import { presetNames } from '../image/index.js';
import {
  changeable,
  choice,
  field,
  flag,
  group,
  number,
  orNone,
  type Partially,
  parseConfig,
  positive,
  probability,
  text,
  type Whole,
  whole,
} from '../schema.js';

/** A field of the student's shape: null leaves it as the named model has it. */
const shape = <S extends Parameters<typeof orNone>[0]>(schema: S) => field(orNone(schema), null);

/** Every field of a configuration. The defaults are facebookresearch/deit's recipe (arXiv 2012.12877, table 9). */
const makeSchema = () =>
  group({
    /** The shape of the student: a named model's, with the fields that are not null put in its place. */
    model: group({
      name: shape(text('named model that the student has the shape of')),
      imgSize: shape(whole('side of the square input in pixels', 1, 4096)),
      patchSize: shape(whole('side of a patch in pixels', 1, 4096)),
      embedDim: shape(whole('width of a token', 1, 16_384)),
      depth: shape(whole('transformer blocks', 1, 1000)),
      numHeads: shape(whole('attention heads in a block', 1, 1024)),
      mlpRatio: shape(positive('width of the MLP over that of a token', 64)),
      layerScale: shape(positive("LayerScale's first value")),
      distilled: shape(flag('distillation token with a head of its own')),
      dropPathRate: field(orNone(probability('drop path of the last block')), 0.1),
    }),
    init: group({
      /** Its shape takes the place of `model.name`. */
      from: field(orNone(changeable(text('model to start from: folder, URL or checkpoint'))), null),
      /** Normal with deviation 0.02 (DeiT), or Xavier uniform, which narrow models learn faster from. */
      scheme: field(choice('initial values of fresh matrices', ['deit', 'xavier']), 'deit'),
    }),
    train: group({
      frozenBlocks: field(
        whole('first blocks that stay as they are, with the embeddings before them', 0, 1000),
        0,
      ),
      attentionOnly: field(flag('train attention and heads only'), false),
    }),
    data: dataSchema('training', 'train'),
    val: dataSchema('validation', 'test'),
    preset: field(
      choice('preprocessing of the evaluation, whose mean and deviation training takes too', presetNames),
      'deit',
    ),
    augment: augmentSchema(),
    mix: mixSchema(),
    labelSmoothing: field(probability('label smoothing'), 0.1),
    distillation: group({
      type: field(
        choice("the teacher's distribution (soft) or its choice (hard)", ['none', 'soft', 'hard']),
        'none',
      ),
      alpha: field(probability("weight of the teacher's part of the loss"), 0.5),
      tau: field(positive('temperature of soft distillation'), 1),
      /** One of our models, a tf.LayersModel or a GraphModel. */
      teacher: field(orNone(changeable(text('folder, URL or checkpoint of the teacher'))), null),
    }),
    optimizer: group({
      /** Scaled linearly from lrBatch to the batch. */
      lr: field(positive('learning rate after the warm-up'), 5e-4),
      lrBatch: field(orNone(whole('batch for which lr is stated; none: any', 1)), 512),
      weightDecay: field(number('decoupled weight decay'), 0.05),
      beta1: field(probability("decay of Adam's mean"), 0.9),
      beta2: field(probability("decay of Adam's square"), 0.999),
      eps: field(positive("Adam's epsilon"), 1e-8),
      clipGrad: field(orNone(positive("largest global norm of a step's gradients")), null),
    }),
    schedule: group({
      epochs: field(whole('times through the data', 1, 1_000_000), 300),
      minLr: field(number('learning rate at the end'), 1e-5),
      warmupEpochs: field(number('epochs of linear warm-up'), 5),
      warmupLr: field(number('learning rate at the start'), 1e-6),
      /** From epoch to epoch, as in facebookresearch/deit, or from step to step. */
      per: field(choice('when the learning rate changes', ['epoch', 'step']), 'epoch'),
    }),
    batchSize: field(whole('images in a forward pass', 1, 65_536), 64),
    accumulate: field(whole('batches whose gradients are averaged for a step', 1, 65_536), 1),
    emaDecay: field(orNone(probability("decay of the weights' running mean a step; none: off")), 0.99996),
    evalBatchSize: field(changeable(whole('images in a batch of evaluation', 1, 65_536)), 64),
    /** There is always one at an epoch's end. */
    saveEverySteps: field(orNone(changeable(whole('steps between checkpoints in an epoch', 1))), null),
    seed: field(whole('seed of all random choices', 0), 0),
    workers: field(changeable(whole('threads that read and augment', 0, 512)), 2),
    /** Of the training engine; none: as many as there are physical cores. */
    threads: field(orNone(changeable(whole('threads that compute on wasm in Node', 1, 64))), null),
    backend: field(changeable(text('backend: auto, wasm, tensorflow …')), 'auto'),
    device: field(orNone(changeable(text('GPU of webgpu: part of its name, or its number'))), null),
    output: field(changeable(text('folder for all results')), ''),
  });

export const trainSchema = /* @__PURE__ */ makeSchema();

/** All that a training run is given. Plain data: it is stored beside the run's results. */
export type TrainConfig = Whole<typeof trainSchema>;

/** A configuration of which only what differs from the defaults is said. */
export type PartialConfig = Partially<typeof trainSchema>;

export const DEFAULT_CONFIG: TrainConfig = /* @__PURE__ */ parseConfig(trainSchema, {}, {}, 'default');
