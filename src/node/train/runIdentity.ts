/** What makes a run this run, beside its weights: kept in its checkpoint, and compared when it goes on. */
import { createHash } from 'node:crypto';
import type { Dataset } from '../../data/dataset.js';
import { UserError } from '../../errors.js';
import { fieldsOf, valueAt } from '../../schema.js';
import { shorten } from '../../text.js';
import { type TrainConfig, trainSchema } from '../../train/config.js';
import type { Prepared } from './prepare.js';

export interface RunIdentity {
  /** The configuration's fields that may not change, by path. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Names of the classes in the order of the logits. */
  readonly classes: readonly string[];
  /** SHA-256 of the images' names, below the folder that they lie in. */
  readonly images: { readonly training: string; readonly validation: string };
}

/** The fields of a configuration that a run keeps from beginning to end. */
export function fixedFields(config: unknown): Record<string, unknown> {
  const paths = Object.entries(fieldsOf(trainSchema)).filter(([, { mayChange }]) => !mayChange);
  return Object.fromEntries(paths.map(([path]) => [path, valueAt(config, path) ?? null]));
}

export function identityOf({ data, val }: Pick<Prepared, 'data' | 'val'>, config: TrainConfig): RunIdentity {
  return {
    config: fixedFields(config),
    classes: data.classNames,
    images: { training: hashOfNames(data), validation: hashOfNames(val) },
  };
}

function hashOfNames({ name, length, describe }: Pick<Dataset, 'name' | 'length' | 'describe'>): string {
  const hash = createHash('sha256');
  for (let i = 0; i < length; i++) {
    const image = describe(i);
    hash.update(`${image.startsWith(name) ? image.slice(name.length) : image}\0`);
  }
  return hash.digest('hex');
}

/**
 * Compares a run with what its checkpoint says of it.
 *
 * @param stored as readCheckpoint gives it
 * @returns what to tell of images that are not those of before, a line each
 * @throws UserError for other classes or another configuration: the weights would stand for something else
 */
export function requireSameRun(
  stored: RunIdentity,
  now: RunIdentity,
  path: string,
  { data, val }: Pick<Prepared, 'data' | 'val'>,
): string[] {
  const field = Object.keys(now.config).find(
    (each) => JSON.stringify(stored.config[each]) !== JSON.stringify(now.config[each]),
  );
  if (field !== undefined) {
    const [before, after] = [stored, now].map(({ config }) => JSON.stringify(config[field]) ?? 'nothing');
    throw new UserError(
      `${path}: its run has ${field} ${before}, config.json says ${after}; give the field its value back, or choose ` +
        'another output folder',
    );
  }
  if (String(stored.classes) !== String(now.classes)) {
    const [before, after] = [stored, now].map(({ classes }) => shorten(classes.join(', '), 120));
    throw new UserError(
      `${path}: its run learns the classes ${before}; ${data.name} has ${after}: give the class folders their names ` +
        'back, or choose another output folder',
    );
  }
  const changed = (of: string, where: string, so: string) =>
    `${where}: the ${of} images are not those of the run so far; it goes on with those that are there, ${so}`;
  return [
    ...(stored.images.training === now.images.training
      ? []
      : [changed('training', data.name, 'and ends in other weights than an unbroken run')]),
    ...(stored.images.validation === now.images.validation
      ? []
      : [changed('validation', val.name, 'and its best epoch is chosen among accuracies on both')]),
  ];
}
