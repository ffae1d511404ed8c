import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { sizeOf } from '../shape.js';
import { type ImageArray, type InMemoryDataset, inMemoryDataset } from './imageArray.js';
import { type NamedBytes, unpacked } from './namedBytes.js';

/**
 * The IDX format of MNIST and its relatives (yann.lecun.com/exdb/mnist): two zero bytes, a byte for the kind of the
 * values, a byte for the number of axes, each axis' length as a big-endian 32-bit integer, the values row by row.
 */

/** The kind byte of unsigned 8-bit values, the only kind that these data sets use. */
const UINT8 = 0x08;

/** Bytes before the lengths of the axes. */
const MAGIC_BYTES = 4;

/** Classes of MNIST and Fashion-MNIST; relatives in the same format may have more (EMNIST). */
const MNIST_CLASSES = 10;

/**
 * MNIST or Fashion-MNIST: one split's images and labels, either gzipped or not. Classes are named by their number.
 *
 * @throws UserError if a file is damaged, or the two do not belong together
 */
export async function mnistDataset(images: NamedBytes, labels: NamedBytes): Promise<InMemoryDataset> {
  checkArguments('mnistDataset', { images: ['namedBytes', images], labels: ['namedBytes', labels] });
  const { count, rows, columns, pixels } = parseIdxImages(await unpacked(images), images.name);
  const classes = parseIdxLabels(await unpacked(labels), labels.name);
  if (classes.length !== count) {
    throw new UserError(
      `${labels.name}: ${classes.length} labels for the ${count} images of ${images.name}; expected as many`,
    );
  }
  const numClasses = classes.reduce((most, label) => Math.max(most, label + 1), MNIST_CLASSES);
  const array: ImageArray = { width: columns, height: rows, channels: 1, data: pixels };
  return inMemoryDataset(array, {
    name: images.name,
    labels: classes,
    classNames: Array.from({ length: numClasses }, (_, i) => String(i)),
    describe: (i) => `${images.name}, image ${i}`,
  });
}

/** Images of one size, one byte a pixel. */
export interface IdxImages {
  readonly count: number;
  readonly rows: number;
  readonly columns: number;
  /** count · rows · columns levels, image by image, row by row. */
  readonly pixels: Uint8Array;
}

/**
 * Reads an image file (magic 0x00000803). The pixels are a view of `bytes`.
 *
 * @param name the file's, for errors
 * @throws UserError if it is anything else, or not as long as its header says
 */
function parseIdxImages(bytes: Uint8Array, name: string): IdxImages {
  const { lengths, values } = parseIdx(bytes, 3, `${name}: an IDX file of images`);
  const [count, rows, columns] = lengths as [number, number, number];
  if (count === 0 || rows === 0 || columns === 0) {
    throw new UserError(
      `${name}: holds ${count} images of ${columns} × ${rows} pixels; expected at least one`,
    );
  }
  return { count, rows, columns, pixels: values };
}

/**
 * Reads a label file (magic 0x00000801): one byte a label.
 *
 * @param name the file's, for errors
 * @throws UserError if it is anything else, or not as long as its header says
 */
function parseIdxLabels(bytes: Uint8Array, name: string): Uint8Array {
  return parseIdx(bytes, 1, `${name}: an IDX file of labels`).values;
}

function parseIdx(bytes: Uint8Array, axes: number, what: string): { lengths: number[]; values: Uint8Array } {
  const headerBytes = MAGIC_BYTES + 4 * axes;
  if (bytes.length < headerBytes) {
    throw new UserError(`${what} begins with ${headerBytes} bytes of header, found ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = (UINT8 << 8) | axes;
  if (view.getUint32(0) !== magic) {
    throw new UserError(`${what} begins with ${hex(magic)}, found ${hex(view.getUint32(0))}`);
  }
  const lengths = Array.from({ length: axes }, (_, axis) => view.getUint32(MAGIC_BYTES + 4 * axis));
  const expected = headerBytes + sizeOf(lengths);
  if (bytes.length !== expected) {
    const shape = lengths.join(' × ');
    throw new UserError(
      `${what} with ${shape} values has ${expected} bytes, found ${bytes.length}; fetch the file again`,
    );
  }
  return { lengths, values: bytes.subarray(headerBytes) };
}

function hex(magic: number): string {
  return `0x${magic.toString(16).padStart(8, '0')}`;
}
