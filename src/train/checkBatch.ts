import { describeValue } from '../checkOptions.js';
import type { TrainBatch } from '../data/loader.js';
import { UserError } from '../errors.js';
import type { Student } from './student.js';

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

/** By tag: what comes out of another frame or thread has classes of its own. */
const isFloats = (value: unknown) => Object.prototype.toString.call(value) === '[object Float32Array]';

function given(value: unknown): string {
  const length = (value as { length?: unknown } | undefined)?.length;
  return typeof length === 'number' ? `${length} numbers in ${describeValue(value)}` : describeValue(value);
}

/** Throws a UserError where a student's logits are of more or fewer classes than its data has. */
export function checkClasses({ family, layersModel }: Student, data: string, numClasses: number): void {
  const output = layersModel?.outputs[0]?.shape.at(-1);
  const classes = family?.config.numClasses ?? output ?? numClasses;
  if (classes === numClasses) return;
  throw new UserError(`${data}: it has ${numClasses} classes, and the student ${classes}`);
}
