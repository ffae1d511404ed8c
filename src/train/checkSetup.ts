/** What a Trainer is given by code of one's own: said where its parts do not fit each other. */
import { isFloats } from '../checkArguments.js';
import { describeValue } from '../checkOptions.js';
import type { TrainBatch } from '../data/loader.js';
import { UserError } from '../errors.js';
import type { Student } from './student.js';
import type { TrainSetup } from './trainer.js';

/** Throws a UserError where the student, the data and the validation data have not the same classes. */
export function checkClasses({ student, data, val }: Pick<TrainSetup, 'student' | 'data' | 'val'>): void {
  const { classNames } = data;
  const classes = classesOf(student);
  if (classes !== undefined && classes !== classNames.length) {
    throw new UserError(
      `${data.name}: has ${classNames.length} classes, and the student ${classes}; build it with numClasses ${classNames.length}`,
    );
  }
  const other = Array.from({ length: Math.max(classNames.length, val.classNames.length) }, (_, i) => i).find(
    (i) => val.classNames[i] !== classNames[i],
  );
  if (other === undefined) return;
  throw new UserError(
    `${val.name}: its class ${other} is ${named(val.classNames[other])}, that of ${data.name} ${named(classNames[other])}; ` +
      'give both the same classes in the same order',
  );
}

const named = (name: string | undefined) => (name === undefined ? 'none' : `"${name}"`);

function classesOf({ family, layersModel }: Student): number | undefined {
  return family?.config.numClasses ?? layersModel?.outputs[0]?.shape.at(-1) ?? undefined;
}

/** What a batch must fit. */
interface Expected {
  /** Input size, [height, width]. */
  readonly imgSize: readonly [number, number];
  readonly numClasses: number;
}

/**
 * Checks a batch of a caller's own data: a label that is no class would be a row of zeros, or a mark in another image's row.
 *
 * @param where it comes from, for messages
 * @throws UserError that names what does not fit
 */
export function checkBatch(batch: TrainBatch, { imgSize, numClasses }: Expected, where: string): void {
  const { pixels, labels, indices } = batch ?? {};
  const count = indices?.length;
  if (!count)
    throw new UserError(`${where}: indices should be those of its images, got ${describeValue(indices)}`);
  if (labels?.length !== count) {
    throw new UserError(`${where}: labels should be ${count} class indices, got ${given(labels)}`);
  }
  const wrong = Array.from(labels).find(
    (label) => !Number.isInteger(label) || label < 0 || label >= numClasses,
  );
  if (wrong !== undefined) {
    throw new UserError(`${where}: labels should be class indices from 0 to ${numClasses - 1}, got ${wrong}`);
  }
  const [height, width] = imgSize;
  if (!isFloats(pixels) || pixels.length !== count * height * width * 3) {
    const shape = `[${count}, ${height}, ${width}, 3]`;
    throw new UserError(`${where}: pixels should be a Float32Array of ${shape}, got ${given(pixels)}`);
  }
}

function given(value: unknown): string {
  const length = (value as { length?: unknown } | undefined)?.length;
  return typeof length === 'number' ? `${length} numbers in ${describeValue(value)}` : describeValue(value);
}
