import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import type { Preprocessing } from '../image/types.js';
import type { ImageModel } from '../models/imageModel.js';
import { otherClass } from './sameClasses.js';

/** What a student learns from. It sees the student's own augmented batches and runs without gradient. */
export interface Teacher {
  /** For messages. */
  readonly name: string;
  /** Number of logits, or null where only a forward pass tells. */
  readonly numClasses: number | null;
  /** Input size, [height, width], or null where it takes any. */
  readonly imgSize: readonly [number, number] | null;
  /** Names of its classes, if it has any. */
  readonly labels: readonly string[] | undefined;
  /** How its images were normalised, if that is known. */
  readonly normalization: Pick<Preprocessing, 'mean' | 'std'> | undefined;
  /** @returns logits, float32 [B, classes] */
  predict(x: tf.Tensor4D): tf.Tensor2D;
  /** The same by threads, where they compute: float32 [batch, H, W, 3] → [batch, classes]. */
  predictPixels?(images: Float32Array, batch: number): Promise<Float32Array>;
  /** The layers that it is made of, where they are its whole answer. */
  readonly layersModel?: tfl.LayersModel;
  dispose(): void;
}

/**
 * A model of any family as a teacher: a distilled one answers with the mean of its heads, a RegNet, as the paper has it,
 * takes the student's input size.
 */
export function teacherOfModel(model: ImageModel): Teacher {
  checkArguments('teacherOfModel', { model: ['anyModel', model] });
  return {
    name: model.config.name,
    numClasses: model.config.numClasses,
    imgSize: model.anySize ? null : model.config.imgSize,
    labels: model.labels,
    normalization: model.preprocessing,
    predict: (x) => model.predict(x),
    ...(model.hasRuntime ? { predictPixels: (images, batch) => model.predictPixels!(images, batch) } : {}),
    // A vision transformer builds its layers when it is asked for them, and has engines of its own.
    ...(model.anySize ? { layersModel: model.layersModel } : {}),
    dispose: () => model.dispose(),
  };
}

/** Any tf.LayersModel of one input [B, H, W, 3] and one output, logits [B, classes]. */
export function teacherOfLayersModel(model: tfl.LayersModel, named?: string): Teacher {
  checkArguments('teacherOfLayersModel', { model: ['layersModel', model] });
  const name = named ?? model.name;
  if (model.inputs.length !== 1 || model.outputs.length !== 1) {
    throw new UserError(
      `${name}: a teacher has one input and one output, this has ${model.inputs.length} and ${model.outputs.length}`,
    );
  }
  const [, height, width] = model.inputs[0]!.shape;
  const classes = model.outputs[0]!.shape.at(-1);
  return {
    name,
    numClasses: classes ?? null,
    imgSize: height && width ? [height, width] : null,
    labels: undefined,
    normalization: undefined,
    predict: (x) => tf.tidy(() => model.apply(x, { training: false }) as tf.Tensor2D),
    layersModel: model,
    dispose: () => model.dispose(),
  };
}

/** What a tf.GraphModel is here: @tensorflow/tfjs-converter need not be loaded for its type. */
export interface Graph {
  readonly inputs: readonly { readonly name: string; readonly shape?: readonly number[] }[];
  readonly outputs: readonly { readonly shape?: readonly number[] }[];
  predict(x: tf.Tensor): tf.Tensor | tf.Tensor[] | tf.NamedTensorMap;
  dispose(): void;
}

/** Any tf.GraphModel of one input [B, H, W, 3] whose one output is logits [B, classes]. */
export function teacherOfGraphModel(graph: Graph, name: string): Teacher {
  checkArguments('teacherOfGraphModel', { graph: ['graphModel', graph], name: ['text', name] });
  if (graph.inputs.length !== 1 || graph.outputs.length !== 1) {
    throw new UserError(
      `${name}: a teacher has one input and one output, this graph has ${graph.inputs.length} and ${graph.outputs.length}`,
    );
  }
  const known = (side: number | undefined) => (side !== undefined && side > 0 ? side : null);
  const [, rows, columns] = graph.inputs[0]!.shape ?? [];
  const [height, width] = [known(rows), known(columns)];
  return {
    name,
    numClasses: known(graph.outputs[0]!.shape?.at(-1)),
    imgSize: height && width ? [height, width] : null,
    labels: undefined,
    normalization: undefined,
    predict: (x) => graph.predict(x) as tf.Tensor2D,
    dispose: () => graph.dispose(),
  };
}

/** What the student's side gives for the check and for the teacher's input. */
export interface TaughtStudent {
  readonly imgSize: readonly [number, number];
  readonly classNames: readonly string[];
  readonly preprocessing: Preprocessing;
}

/**
 * Checks that a teacher can teach this student, by a forward pass of nothing where its shapes do not tell, and gives
 * its images the normalisation that it was made for, where that is known to differ from the student's.
 */
export function fitTeacher(teacher: Teacher, student: TaughtStudent): Teacher {
  checkArguments('fitTeacher', { teacher: ['teacher', teacher], student: ['taught', student] });
  const { imgSize, classNames, preprocessing } = student;
  const fail = (what: string): never => {
    throw new UserError(`teacher ${teacher.name}: ${what}`);
  };
  if (teacher.imgSize && String(teacher.imgSize) !== String(imgSize)) {
    fail(
      `takes images of ${teacher.imgSize.join('×')}, the student's are ${imgSize.join('×')}; both see the same batch`,
    );
  }
  const classes = teacher.numClasses ?? classesByForwardPass(teacher, imgSize, fail);
  if (classes !== classNames.length) {
    fail(
      `has ${classes} classes, the training data ${classNames.length}; take one trained on the same classes`,
    );
  }
  const other = otherClass(teacher.labels, classNames);
  if (other >= 0) {
    fail(
      `class ${other} is "${teacher.labels![other]}" there and "${classNames[other]}" in the training data`,
    );
  }
  return renormalized(teacher, preprocessing);
}

/**
 * Whether a teacher answers with probabilities, as a model does that ends in softmax, and not with logits: told by the answer
 * to noise, which is then above 0 and sums up to 1. Its choices are the same, its distribution is not.
 */
export async function givesProbabilities(
  teacher: Teacher,
  imgSize: readonly [number, number],
): Promise<boolean> {
  const answer = tf.tidy(() => teacher.predict(tf.randomNormal([2, ...imgSize, 3], 0, 1, 'float32', 1)));
  try {
    const values = await answer.data<'float32'>();
    const sum = values.reduce((total, value) => total + value, 0);
    return values.every((value) => value >= 0 && value <= 1) && Math.abs(sum - 2) < 1e-3;
  } finally {
    answer.dispose();
  }
}

function classesByForwardPass(
  teacher: Teacher,
  imgSize: readonly [number, number],
  fail: (what: string) => never,
): number {
  return tf.tidy(() => {
    let logits: tf.Tensor;
    try {
      logits = teacher.predict(tf.zeros([1, ...imgSize, 3]));
    } catch (error) {
      return fail(
        `cannot run on an image of ${imgSize.join('×')} (${(error as Error).message.split('\n')[0]})`,
      );
    }
    if (!(logits instanceof tf.Tensor) || logits.rank !== 2) {
      return fail('gives no logits [batch, classes]');
    }
    return logits.shape[1] as number;
  });
}

/** x is (level − mean) / std of the student's; the teacher's is that, times std / std', plus (mean − mean') / std'. */
function renormalized(teacher: Teacher, from: Pick<Preprocessing, 'mean' | 'std'>): Teacher {
  const to = teacher.normalization;
  if (!to || (String(to.mean) === String(from.mean) && String(to.std) === String(from.std))) return teacher;
  const scale = from.std.map((std, c) => std / to.std[c]!);
  const shift = from.mean.map((mean, c) => (mean - to.mean[c]!) / to.std[c]!);
  const { predictPixels } = teacher;
  const converted = (images: Float32Array) =>
    images.map((value, i) => value * scale[i % scale.length]! + shift[i % shift.length]!);
  return {
    ...teacher,
    predict: (x) =>
      tf.tidy(() =>
        teacher.predict(tf.add(tf.mul(x, tf.tensor1d(scale)), tf.tensor1d(shift)) as tf.Tensor4D),
      ),
    ...(predictPixels ? { predictPixels: (images, batch) => predictPixels(converted(images), batch) } : {}),
  };
}
