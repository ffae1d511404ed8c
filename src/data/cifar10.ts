import { checkArguments } from '../checkArguments.js';
import { describeValue } from '../checkOptions.js';
import { concatBytes } from '../concat.js';
import { decodeLines } from '../decodeText.js';
import { UserError } from '../errors.js';
import { type InMemoryDataset, inMemoryDataset } from './imageArray.js';
import type { NamedBytes } from './namedBytes.js';

/**
 * The binary version of CIFAR-10 (cs.toronto.edu/~kriz/cifar.html): records of one label byte and 32 × 32 pixels, all
 * of red first, then green, then blue, each row by row. A file has no header: its length is all that can be checked.
 */

/** Side of an image in pixels. */
const CIFAR_SIDE = 32;

/** Classes of CIFAR-10. */
const CIFAR10_CLASSES = 10;

const PLANE = CIFAR_SIDE * CIFAR_SIDE;
const RECORD_BYTES = 1 + 3 * PLANE;

/**
 * CIFAR-10: the images of some of its binary files, one after another.
 *
 * @param classNames the content of batches.meta.txt; without it classes are named by their number
 * @throws UserError if a file is damaged
 */
export function cifar10Dataset(files: readonly NamedBytes[], classNames?: NamedBytes): InMemoryDataset {
  if (!Array.isArray(files) || files.length === 0)
    throw new UserError(
      `cifar10Dataset: files should be an array of files {name, bytes}, got ${describeValue(files)}`,
    );
  for (const file of files) checkArguments('cifar10Dataset', { file: ['namedBytes', file] });
  if (classNames !== undefined) checkArguments('cifar10Dataset', { classNames: ['namedBytes', classNames] });
  const batches = files.map(({ name, bytes }) => parseCifar10(bytes, name));
  const starts = batches.map((_, i) => batches.slice(0, i).reduce((sum, b) => sum + b.labels.length, 0));
  const data = concatBytes(batches.map(({ pixels }) => pixels));
  return inMemoryDataset(
    { width: CIFAR_SIDE, height: CIFAR_SIDE, channels: 3, data },
    {
      name: files.map(({ name }) => name).join(', '),
      labels: concatBytes(batches.map(({ labels }) => labels)),
      classNames: classNamesOf(classNames),
      describe: (index) => {
        const file = starts.findLastIndex((start) => start <= index);
        return `${files[file]!.name}, image ${index - starts[file]!}`;
      },
    },
  );
}

function classNamesOf(file: NamedBytes | undefined): string[] {
  if (!file) return Array.from({ length: CIFAR10_CLASSES }, (_, i) => String(i));
  const lines = decodeLines(file.bytes, file.name);
  const names = lines.map((line) => line.trim()).filter((line) => line !== '');
  if (names.length === CIFAR10_CLASSES) return names;
  throw new UserError(
    `${file.name}: expected ${CIFAR10_CLASSES} class names, a line each, found ${names.length}`,
  );
}

/** The images of one file. */
export interface CifarBatch {
  readonly labels: Uint8Array;
  /** labels.length · 32 · 32 · 3 levels, image by image, interleaved R, G, B. */
  readonly pixels: Uint8Array;
}

/**
 * Reads a file of CIFAR-10's binary version (data_batch_1.bin … test_batch.bin).
 *
 * @param name the file's, for errors
 * @throws UserError if its length is no multiple of a record's, or a label is above 9 (as in CIFAR-100's files)
 */
function parseCifar10(bytes: Uint8Array, name: string): CifarBatch {
  const count = bytes.length / RECORD_BYTES;
  if (count === 0 || !Number.isInteger(count)) {
    throw new UserError(
      `${name}: a CIFAR-10 binary file has a multiple of ${RECORD_BYTES} bytes, found ${bytes.length}`,
    );
  }
  const labels = new Uint8Array(count);
  const pixels = new Uint8Array(count * 3 * PLANE);
  for (let i = 0; i < count; i++) {
    const record = bytes.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES);
    const label = record[0]!;
    labels[i] = label;
    if (label >= CIFAR10_CLASSES) {
      throw new UserError(
        `${name}: the label of image ${i} is ${label}, expected 0 to 9; is it CIFAR-10's binary version?`,
      );
    }
    interleave(record.subarray(1), pixels.subarray(i * 3 * PLANE, (i + 1) * 3 * PLANE));
  }
  return { labels, pixels };
}

/** Three planes to interleaved pixels. */
function interleave(planes: Uint8Array, out: Uint8Array): void {
  for (let p = 0; p < PLANE; p++) {
    out[3 * p] = planes[p]!;
    out[3 * p + 1] = planes[PLANE + p]!;
    out[3 * p + 2] = planes[2 * PLANE + p]!;
  }
}
