import { UserError } from '../../errors.js';
import { CIFAR_SIDE, CIFAR10_CLASSES, parseCifar10 } from './cifar.js';
import { gunzip, isGzip } from './gunzip.js';
import { parseIdxImages, parseIdxLabels } from './idx.js';
import { type Levels, pictureAt } from './levels.js';
import type { PictureSet } from './types.js';

/** A file's name, for errors, and its bytes. */
export interface NamedBytes {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** A set whose pictures lie in memory. */
export interface LevelSet extends PictureSet {
  readonly levels: Levels;
}

/** Classes of MNIST and Fashion-MNIST; relatives in the same format may have more (EMNIST). */
const MNIST_CLASSES = 10;

/**
 * MNIST or Fashion-MNIST: one split's images and labels, either gzipped or not. Classes are named by their number.
 *
 * @throws UserError if a file is damaged, or the two do not belong together
 */
export async function mnistSet(images: NamedBytes, labels: NamedBytes): Promise<LevelSet> {
  const { count, rows, columns, pixels } = parseIdxImages(await unpacked(images), images.name);
  const classes = parseIdxLabels(await unpacked(labels), labels.name);
  if (classes.length !== count) {
    throw new UserError(
      `${labels.name}: ${classes.length} labels for the ${count} images of ${images.name}; expected as many`,
    );
  }
  const numClasses = classes.reduce((most, label) => Math.max(most, label + 1), MNIST_CLASSES);
  const levels: Levels = { width: columns, height: rows, channels: 1, data: pixels };
  const names = Array.from({ length: numClasses }, (_, i) => String(i));
  return levelSet(levels, classes, names, images.name, (i) => `${images.name}, image ${i}`);
}

/**
 * CIFAR-10: the pictures of some of its binary files, one after another.
 *
 * @param classNames the content of batches.meta.txt; without it classes are named by their number
 * @throws UserError if a file is damaged
 */
export function cifar10Set(files: readonly NamedBytes[], classNames?: NamedBytes): LevelSet {
  const batches = files.map(({ name, bytes }) => parseCifar10(bytes, name));
  const starts = batches.map((_, i) => batches.slice(0, i).reduce((sum, b) => sum + b.labels.length, 0));
  const levels: Levels = {
    width: CIFAR_SIDE,
    height: CIFAR_SIDE,
    channels: 3,
    data: concatenated(batches.map(({ pixels }) => pixels)),
  };
  const labels = concatenated(batches.map((batch) => batch.labels));
  const describe = (index: number) => {
    const file = starts.findLastIndex((start) => start <= index);
    return `${files[file].name}, picture ${index - starts[file]}`;
  };
  return levelSet(levels, labels, cifarNames(classNames), files.map(({ name }) => name).join(', '), describe);
}

function cifarNames(file: NamedBytes | undefined): string[] {
  if (!file) return Array.from({ length: CIFAR10_CLASSES }, (_, i) => String(i));
  const lines = new TextDecoder().decode(file.bytes).split(/\r?\n/);
  const names = lines.map((line) => line.trim()).filter((line) => line !== '');
  if (names.length === CIFAR10_CLASSES) return names;
  throw new UserError(
    `${file.name}: expected ${CIFAR10_CLASSES} class names, a line each, found ${names.length}`,
  );
}

function levelSet(
  levels: Levels,
  labels: Uint8Array,
  classNames: readonly string[],
  name: string,
  describe: (index: number) => string,
): LevelSet {
  return {
    name,
    length: labels.length,
    classNames,
    labels: Int32Array.from(labels),
    levels,
    describe,
    read: async (index) => pictureAt(levels, index),
    close: async () => {},
  };
}

async function unpacked({ name, bytes }: NamedBytes): Promise<Uint8Array> {
  return isGzip(bytes) ? gunzip(bytes, name) : bytes;
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** The first `limit` pictures of a set; all of them for null. */
export function limited<Set extends PictureSet>(set: Set, limit: number | null): Set {
  if (limit === null || limit >= set.length) return set;
  return { ...set, length: limit, labels: set.labels.slice(0, limit) };
}
