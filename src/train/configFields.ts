import { presetNames } from '../image/index.js';

/** What a field of a configuration may hold. */
export interface Field {
  readonly kind: 'text' | 'number' | 'whole' | 'flag' | 'range';
  readonly describe: string;
  readonly choices?: readonly string[];
  readonly nullable?: boolean;
  /** Least value of a number, taken in. */
  readonly min?: number;
  readonly max?: number;
  /** The number must be above `min`. */
  readonly above?: boolean;
}

const text = (describe: string, rest: Partial<Field> = {}): Field => ({ kind: 'text', describe, ...rest });
const whole = (describe: string, min: number, rest: Partial<Field> = {}): Field => ({
  kind: 'whole',
  describe,
  min,
  ...rest,
});
const number = (describe: string, rest: Partial<Field> = {}): Field => ({
  kind: 'number',
  describe,
  min: 0,
  ...rest,
});
const positive = (describe: string, rest: Partial<Field> = {}): Field =>
  number(describe, { above: true, ...rest });
const probability = (describe: string): Field => number(describe, { max: 1 });
const flag = (describe: string, rest: Partial<Field> = {}): Field => ({ kind: 'flag', describe, ...rest });
const nullable = { nullable: true };

const dataFields = (name: string, what: string): Record<string, Field> => ({
  [`${name}.format`]: text(`how the ${what} pictures lie`, { choices: ['folder', 'mnist', 'cifar10'] }),
  [`${name}.path`]: text(`folder of the ${what} pictures`),
  [`${name}.split`]: text('which files of mnist and cifar10', { choices: ['train', 'test'] }),
  [`${name}.limit`]: whole('take the first so many pictures only', 1, nullable),
});

/** Every field of TrainConfig by its path; the command line has an option for each. */
export const FIELDS: Readonly<Record<string, Field>> = {
  'model.name': text('named model that the student has the shape of', nullable),
  'model.imgSize': whole('side of the input in pixels', 1, { max: 4096, ...nullable }),
  'model.patchSize': whole('side of a patch in pixels', 1, { max: 4096, ...nullable }),
  'model.embedDim': whole('width of a token', 1, { max: 16_384, ...nullable }),
  'model.depth': whole('transformer blocks', 1, { max: 1000, ...nullable }),
  'model.numHeads': whole('attention heads in a block', 1, { max: 1024, ...nullable }),
  'model.mlpRatio': positive('width of the MLP over that of a token', { max: 64, ...nullable }),
  'model.layerScale': positive("LayerScale's first value", nullable),
  'model.distilled': flag('distillation token with a head of its own', nullable),
  'model.dropPathRate': number('drop path of the last block', { max: 1, ...nullable }),
  'init.from': text('model to start from: folder, URL or checkpoint', nullable),
  'init.scheme': text('how fresh matrices start', { choices: ['deit', 'xavier'] }),
  'train.frozenBlocks': whole('first blocks that stay as they are', 0, { max: 1000 }),
  'train.attentionOnly': flag('train attention and heads only'),
  ...dataFields('data', 'training'),
  ...dataFields('val', 'validation'),
  preset: text('preprocessing of the evaluation', { choices: presetNames }),
  'augment.randomResizedCrop.scale': { kind: 'range', describe: 'area of the crop', min: 0, max: 1 },
  'augment.randomResizedCrop.ratio': { kind: 'range', describe: 'width / height of the crop', min: 0 },
  'augment.affine.degrees': number('largest turn either way', { max: 180 }),
  'augment.affine.translate': probability('largest shift, as a part of the sides'),
  'augment.affine.scale': { kind: 'range', describe: 'scaling', min: 0 },
  'augment.hflip': probability('probability of a horizontal flip'),
  'augment.colorJitter': number('strength of colour jitter'),
  'augment.randAugment': text('RandAugment, e.g. rand-m9-mstd0.5-inc1', nullable),
  'augment.randomErasing': probability('probability of random erasing'),
  'augment.repeats': whole('augmentations of a picture in an epoch', 1, { max: 1000 }),
  'mix.mixup': number("mixup's beta parameter; 0: none"),
  'mix.cutmix': number("cutmix's beta parameter; 0: none"),
  'mix.prob': probability('probability that a batch is mixed'),
  'mix.switchProb': probability('probability of cutmix where both are on'),
  labelSmoothing: probability('label smoothing'),
  'distillation.type': text('how the teacher teaches', { choices: ['none', 'soft', 'hard'] }),
  'distillation.alpha': probability("weight of the teacher's part of the loss"),
  'distillation.tau': positive('temperature of soft distillation'),
  'distillation.teacher': text('folder, URL or checkpoint of the teacher', nullable),
  'optimizer.lr': positive('learning rate after the warm-up'),
  'optimizer.lrBatch': whole('batch for which lr is stated; none: any', 1, nullable),
  'optimizer.weightDecay': number('decoupled weight decay'),
  'optimizer.beta1': number("decay of Adam's mean", { max: 1 }),
  'optimizer.beta2': number("decay of Adam's square", { max: 1 }),
  'optimizer.eps': positive("Adam's epsilon"),
  'optimizer.clipGrad': positive("largest norm of a step's gradients", nullable),
  'schedule.epochs': whole('times through the data', 1, { max: 1_000_000 }),
  'schedule.warmupEpochs': number('epochs of linear warm-up'),
  'schedule.warmupLr': number('learning rate at the start'),
  'schedule.minLr': number('learning rate at the end'),
  'schedule.per': text('when the rate changes', { choices: ['epoch', 'step'] }),
  batchSize: whole('pictures in a batch', 1, { max: 65_536 }),
  accumulate: whole('batches in a step', 1, { max: 65_536 }),
  emaDecay: number("decay of the weights' running mean; none: off", { max: 1, ...nullable }),
  evalBatchSize: whole('pictures in a batch of evaluation', 1, { max: 65_536 }),
  saveEverySteps: whole('steps between checkpoints in an epoch', 1, nullable),
  seed: whole('seed of all random choices', 0),
  workers: whole('threads that read and augment', 0, { max: 512 }),
  backend: text('what computes: auto, wasm, tensorflow …'),
  output: text('folder for all results'),
};
