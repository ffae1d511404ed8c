/** What a Trainer is given by code of one's own: said where its parts do not fit each other. */
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

/** Throws a UserError for a batch whose parts do not belong together, or that has a label that is no class. */
export function checkBatch(
  { pixels, labels, indices }: TrainBatch,
  [height, width]: readonly [number, number],
  { name, classNames }: TrainSetup['data'],
): void {
  const count = labels.length;
  if (count < 1 || indices.length !== count || pixels.length !== 3 * height * width * count) {
    throw new UserError(
      `${name}: a batch has pixels [images, ${height}, ${width}, 3] and as many labels and indices, got ` +
        `${pixels.length} numbers, ${count} labels and ${indices.length} indices`,
    );
  }
  const bad = labels.findIndex(
    (label) => !Number.isInteger(label) || label < 0 || label >= classNames.length,
  );
  if (bad < 0) return;
  throw new UserError(
    `${name}: image ${indices[bad]} has the label ${labels[bad]}, and there are the classes 0 to ${classNames.length - 1}`,
  );
}
