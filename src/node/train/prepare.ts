import { realpath } from 'node:fs/promises';
import { totalmem } from 'node:os';
import type * as tf from '@tensorflow/tfjs-core';
import { currentBackend } from '../../boundBackend.js';
import type { EvalLoader, TrainLoader } from '../../data/loader.js';
import { Untrainable } from '../../engines/wasm/training/index.js';
import { UserError } from '../../errors.js';
import type { VitConfig } from '../../families/vit/config.js';
import { countParameters } from '../../families/vit/flops.js';
import { dequantize } from '../../families/vit/quantize.js';
import { preprocessingFor } from '../../image/index.js';
import type { Preprocessing } from '../../image/types.js';
import { buildModel, resolveConfig } from '../../models/create.js';
import type { VisionTransformer } from '../../models/visionTransformer.js';
import { assignWeights } from '../../models/weights.js';
import { nearest } from '../../text.js';
import type { TrainConfig } from '../../train/config.js';
import { otherClass } from '../../train/sameClasses.js';
import { freshWeights, startFrom } from '../../train/startModel.js';
import type { StepEngine } from '../../train/stepEngine.js';
import { type Student, studentOf } from '../../train/student.js';
import { fitTeacher, givesProbabilities, type Teacher } from '../../train/teacher.js';
import type { TrainSetup } from '../../train/trainer.js';
import { openEvalData, openTrainData } from '../data/loaders.js';
import type { OpenedModel } from '../openedModel.js';
import { openModel } from '../openModel.js';
import { openTrainingEngine, teacherOnEngine } from './engine.js';
import { openTeacher } from './openTeacher.js';

/** Everything that a run works on, open. */
export interface Prepared extends TrainSetup {
  readonly model: VisionTransformer;
  /** What to tell the user of it, a line each. */
  readonly notes: readonly string[];
  close(): Promise<void>;
}

/**
 * Opens the data, builds the student and opens its teacher, on the current backend. All that can be known before the
 * first step to be wrong is a UserError here, and nothing stays open then.
 */
export async function prepareTraining(config: TrainConfig): Promise<Prepared> {
  const open: (() => Promise<void> | void)[] = [];
  const close = async () => {
    for (const one of open.reverse().splice(0)) await one();
  };
  try {
    const start = config.init.from === null ? undefined : await openUnquantized(config.init.from);
    if (start) open.push(() => start.close());
    const shape = studentShape(config, start?.source.config);
    checkMemory(config, shape);
    const preprocessing = preprocessingFor(config.preset, shape.imgSize);
    const { data, val } = await openData(config, preprocessing, open);
    const { classNames } = data;
    const student = { ...shape, numClasses: classNames.length };
    checkDistillation(config, student);
    checkMemory(config, student);
    const teacher = await openFittingTeacher(config, { imgSize: student.imgSize, classNames, preprocessing });
    if (teacher) open.push(() => teacher.dispose());
    const model = buildModel(student, { labels: classNames, preprocessing });
    open.push(() => model.dispose());
    const changes = await fillIn(model, config, start);
    const joint = student.distilled && config.distillation.type === 'none';
    const trained = studentOf(model, config.train, joint);
    const computing = await openEngine(trained, config);
    if (computing.engine) open.push(() => computing.engine!.dispose());
    const notes = [
      `student ${student.name}: ${model.layersModel.countParams().toLocaleString('en')} weights, ` +
        `input ${student.imgSize.join('×')}, ${classNames.length} classes`,
      ...changes,
      `training: ${data.length} images, ${data.name}; validation: ${val.length}, ${val.name}`,
      ...(await dataNotes(config, data, val)),
      ...(joint ? ['no teacher: both heads learn from the labels, by the mean of their logits'] : []),
      ...(teacher ? teacherNotes(teacher, config, data) : []),
      ...computing.notes,
    ];
    return {
      config,
      model,
      student: trained,
      engine: computing.engine,
      imgSize: student.imgSize,
      teacher,
      data,
      val,
      notes,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What tfjs computes with where the training engine does not, by backend. */
const TFJS: Readonly<Record<string, string>> = {
  wasm: 'tfjs, one thread',
  webgpu: 'tfjs on the GPU, operation by operation',
  tensorflow: 'tfjs on TensorFlow, operation by operation',
};

/** What computes where there is a training engine, and what to say of it; other backends compute themselves. */
async function openEngine(
  student: Student,
  config: TrainConfig,
): Promise<{ engine?: StepEngine; notes: readonly string[] }> {
  const fallback = TFJS[currentBackend().name];
  if (!fallback) return { notes: [] };
  try {
    const engine = await openTrainingEngine(student, config, config.threads ?? undefined);
    return { engine, notes: [`computes: ${engine.description}`] };
  } catch (error) {
    if (!(error instanceof Untrainable)) throw error;
    return { notes: [`computes: ${fallback}; the training engine does not take ${error.message}`] };
  }
}

/** The student's shape before its number of classes is known. */
function studentShape(config: TrainConfig, source: VitConfig | undefined): VitConfig {
  const { name, imgSize, ...fields } = config.model;
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
  const size = imgSize === null ? {} : { imgSize };
  if (source) {
    for (const [field, value] of Object.entries(given)) {
      if (field === 'dropPathRate' || source[field as keyof VitConfig] === value) continue;
      throw new UserError(
        `${config.init.from}: its ${field} is ${source[field as keyof VitConfig]}, model.${field} says ${value}; ` +
          `leave model.${field} out`,
      );
    }
    return withFrozen(resolveConfig({ ...source, ...given }, size), config);
  }
  return withFrozen(resolveConfig(name ?? {}, { ...given, ...size }), config);
}

/** The shape, if it has as many blocks as are to stay as they are. */
function withFrozen(shape: VitConfig, { train }: TrainConfig): VitConfig {
  if (train.frozenBlocks <= shape.depth) return shape;
  throw new UserError(`train.frozenBlocks is ${train.frozenBlocks}, the student has ${shape.depth} blocks`);
}

async function openData(
  config: TrainConfig,
  preprocessing: Preprocessing,
  open: (() => Promise<void> | void)[],
): Promise<{ data: TrainLoader; val: EvalLoader }> {
  const { augment, seed, workers } = config;
  const data = await openTrainData({ data: config.data, augment, preprocessing, seed, workers });
  open.push(() => data.close());
  const val = await openEvalData({ data: config.val, preprocessing, workers });
  open.push(() => val.close());
  const missing = val.classNames.find((name) => !data.classNames.includes(name));
  if (missing !== undefined) {
    const hint = likeName(missing, data.classNames);
    throw new UserError(`${val.name}: has the class "${missing}", which ${data.name} has not${hint}`);
  }
  if (String(val.classNames) !== String(data.classNames)) {
    throw new UserError(
      `${val.name}: has ${val.classNames.length} of the ${data.classNames.length} classes of ${data.name}; ` +
        'give every class its folder with images',
    );
  }
  return { data, val };
}

/** Names that look the same, or nearly: macOS writes accents as characters of their own. */
function likeName(name: string, names: readonly string[]): string {
  const same = names.find((other) => other.normalize() === name.normalize());
  if (same !== undefined)
    return ': its folder there looks the same, but its accents are encoded otherwise (NFC, NFD); rename one of the two';
  const [near] = nearest(name, names);
  return near === undefined ? '' : `, but "${near}"`;
}

/** What of the data is likely not meant so, a line each. */
async function dataNotes(config: TrainConfig, data: TrainLoader, val: EvalLoader): Promise<string[]> {
  const notes: string[] = [];
  if (data.classNames.length === 1) notes.push('one class alone: whatever is learnt, top-1 is 100 %');
  const classes = [data, val].map(
    ({ classNames, labels = [] }) => classNames.length - new Set(Array.from(labels)).size,
  );
  for (const [i, set] of (['data', 'val'] as const).entries()) {
    const { limit } = config[set];
    if (limit === null || classes[i] === 0) continue;
    notes.push(
      `${set}.limit ${limit} takes the first images of ${[data, val][i]!.name}, which leaves ` +
        `${classes[i]} of ${data.classNames.length} classes without any`,
    );
  }
  if (await isSame(config.data, config.val))
    notes.push(`${val.name}: validates on the images that it trains on, whose top-1 tells nothing of others`);
  return notes;
}

function teacherNotes({ name, labels }: Teacher, config: TrainConfig, data: TrainLoader): string[] {
  const taught = `teacher ${name}, ${config.distillation.type} distillation`;
  if (labels) return [taught];
  return [
    taught,
    `teacher ${name}: has no names of classes; taken to be those of ${data.name}, in their order`,
  ];
}

async function isSame(data: TrainConfig['data'], val: TrainConfig['val']): Promise<boolean> {
  if (data.format !== val.format || (data.format !== 'folder' && data.split !== val.split)) return false;
  const [a, b] = await Promise.all([data.path, val.path].map((path) => realpath(path)));
  return a === b;
}

function checkDistillation(config: TrainConfig, student: VitConfig): void {
  if (config.distillation.type === 'none' || student.distilled) return;
  throw new UserError(
    `distillation needs a student with a distillation token, ${student.name} has none; ` +
      'set model.distilled, or take a model whose name has "distilled" in it',
  );
}

/** Throws a UserError for a student or a batch that this machine has not the memory for, whatever else it does. */
function checkMemory({ batchSize, evalBatchSize, emaDecay }: TrainConfig, student: VitConfig): void {
  // Weights, gradients and the optimizer's two means; and the running mean.
  const copies = emaDecay === null ? 4 : 5;
  const weights = 4 * countParameters(student) * copies;
  const images = 4 * 3 * student.imgSize[0] * student.imgSize[1] * Math.max(batchSize, evalBatchSize);
  const gigabytes = (bytes: number) => (bytes / 1e9).toFixed(1);
  if (weights + images <= totalmem()) return;
  throw new UserError(
    `training needs more than ${gigabytes(weights + images)} GB: ${gigabytes(weights)} for the student's weights, ` +
      `${gigabytes(images)} for a batch of images; this machine has ${gigabytes(totalmem())}: take a smaller model or ` +
      'a smaller batchSize and evalBatchSize (accumulate makes up for it)',
  );
}

async function openFittingTeacher(
  config: TrainConfig,
  student: Parameters<typeof fitTeacher>[1],
): Promise<Teacher | undefined> {
  if (config.distillation.teacher === null) return undefined;
  let teacher = await openTeacher(config.distillation.teacher);
  try {
    if (currentBackend().name === 'wasm') {
      teacher = await teacherOnEngine(teacher, student.imgSize, config.threads ?? undefined);
    }
    const fitting = fitTeacher(teacher, student);
    if (config.distillation.type === 'soft' && (await givesProbabilities(fitting, student.imgSize))) {
      throw new UserError(
        `teacher ${teacher.name}: answers with probabilities, and soft distillation takes the softmax of logits: ` +
          'leave the softmax at its end out, or take distillation.type hard, which asks for its choice alone',
      );
    }
    return fitting;
  } catch (error) {
    teacher.dispose();
    throw error;
  }
}

/** Codes are not trained: a quantized model starts from what they stand for. */
async function openUnquantized(model: string): Promise<OpenedModel> {
  const opened = await openModel(model);
  return { ...opened, source: dequantize(opened.source) };
}

/** Gives the model its first weights; tells what is fresh. */
async function fillIn(
  model: VisionTransformer,
  config: TrainConfig,
  start: OpenedModel | undefined,
): Promise<string[]> {
  const { scheme, from } = config.init;
  if (!start) {
    await assignWeights(model.layersModel, freshWeights(model.config, scheme, config.seed));
    return [];
  }
  const options = { scheme, seed: config.seed, name: from! };
  const { readWeight, changes } = startFrom(start.source, model.config, options);
  await assignWeights(model.layersModel, readWeight);
  return [`starts from ${from}`, ...changes, ...startNotes(model, start.source, config)];
}

/** Where the model to start from was made for something else: its classes, and how its images were normalised. */
function startNotes(
  { labels = [], preprocessing: now }: VisionTransformer,
  { config: { numClasses }, labels: before, preprocessing: then }: OpenedModel['source'],
  { init, preset }: TrainConfig,
): string[] {
  const other = numClasses === labels.length ? otherClass(before, labels) : -1;
  const normalization = ({ mean, std }: Preprocessing) => `mean ${mean.join(', ')}, std ${std.join(', ')}`;
  const [from, to] = [then, now].map(normalization);
  return [
    ...(other < 0
      ? []
      : [
          `heads: kept, though class ${other} is "${before![other]}" there and "${labels[other]}" in the training data`,
        ]),
    ...(from === to
      ? []
      : [
          `images: ${init.from} was made for ${from}; the preset ${preset} gives it ${to} (see the field preset)`,
        ]),
  ];
}

/** Reads a model's weights from the backend, to be written. */
export function weightReaderOf(setup: Pick<TrainSetup, 'student'>): (name: string) => Promise<Float32Array> {
  return async (name) => {
    const values = await (setup.student.weights.get(name)!.read() as tf.Tensor).data();
    return Float32Array.from(values);
  };
}
