import { UserError } from '../../src/errors.js';
import { itemBytes } from './dtypes.js';
import { MAX_DIMENSIONS, MAX_NPY_HEADER_BYTES } from './limits.js';
import { quote } from './quote.js';
import {
  elementCount,
  rowMajorStride,
  type StridedView,
  stridedTensor,
  unreadableTensor,
} from './stridedTensor.js';
import type { CheckpointTensor, TensorDtype } from './types.js';

/** What comes before an array's header: magic, version, the header's length in 2 or 4 bytes. */
export const NPY_PREAMBLE_BYTES = 12;

/** NumPy's kinds with their sizes. V2 is what bfloat16 is saved as, since NumPy has no such type (big_vision). */
const DTYPES: Readonly<Record<string, TensorDtype>> = {
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  V2: 'bfloat16',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
  b1: 'bool',
};

/** NumPy's kinds that are listed and not read. */
const UNREAD: readonly (readonly [RegExp, (type: string) => string, string])[] = [
  [/^c(8|16)$/, (type) => `complex${8 * Number(type.slice(1))}`, 'its values are complex numbers'],
  [/^O$/, () => 'object', 'it holds Python objects, which are pickled'],
  [/^[SUa]\d*$/, () => 'string', 'it holds strings'],
  [/^[mM]\d/, () => 'datetime64', 'it holds dates'],
  [/^/, (type) => type, 'its dtype is not read'],
];

export interface NpyHeader {
  /** NumPy's type, without the byte order: `f4`. */
  readonly type: string;
  readonly isBigEndian: boolean;
  readonly isFortranOrder: boolean;
  readonly shape: readonly number[];
  /** Byte at which the elements begin. */
  readonly dataStart: number;
}

/** Length of preamble and header, from the preamble (numpy/lib/format.py). Throws a UserError if it is none. */
export function npyHeaderEnd(preamble: Uint8Array, name: string): number {
  const magic = String.fromCharCode(...preamble.subarray(0, 6));
  const version = preamble[6] ?? 0;
  if (magic !== '\x93NUMPY' || preamble.length < 10 || version < 1 || version > 3) {
    throw new UserError(`${name}: expected a NumPy array of version 1 to 3, found something else.`);
  }
  const wide = version > 1;
  if (wide && preamble.length < NPY_PREAMBLE_BYTES)
    throw new UserError(`${name}: the NumPy array is cut short; download it again.`);
  const view = new DataView(preamble.buffer, preamble.byteOffset);
  const end = wide ? 12 + view.getUint32(8, true) : 10 + view.getUint16(8, true);
  if (end > MAX_NPY_HEADER_BYTES) {
    throw new UserError(
      `${name}: its NumPy header has ${end} bytes; at most ${MAX_NPY_HEADER_BYTES} are read.`,
    );
  }
  return end;
}

/** The header, a Python dict of three plain values, read by its grammar and never evaluated. `bytes` end where it does. */
export function parseNpyHeader(bytes: Uint8Array, name: string): NpyHeader {
  const start = bytes[6] === 1 ? 10 : 12;
  const text = new TextDecoder().decode(bytes.subarray(start));
  const fields = new Map<string, string>();
  let rest = /^\s*\{([\s\S]*)\}\s*$/.exec(text)?.[1] ?? '?';
  while (!/^[\s,]*$/.test(rest)) {
    const field =
      /^[\s,]*'(\w{1,20})'\s*:\s*('[^']{0,40}'|True|False|\([\d\s,L]*\)|\[[\s\S]*\](?=\s*,\s*'(?:fortran_order|shape)'))/.exec(
        rest,
      );
    if (field === null) throw badHeader(name, text);
    fields.set(field[1]!, field[2]!);
    rest = rest.slice(field[0].length);
  }
  const shape = parseShape(fields.get('shape'));
  const order = fields.get('fortran_order');
  const descr = fields.get('descr');
  if (shape === undefined || descr === undefined || (order !== 'True' && order !== 'False'))
    throw badHeader(name, text);
  const simple = /^'([<>|=])?([A-Za-z]\d{0,6}(?:\[\w+\])?)'$/.exec(descr);
  return {
    type: simple?.[2] ?? 'structured',
    isBigEndian: simple?.[1] === '>',
    isFortranOrder: order === 'True',
    shape,
    dataStart: bytes.length,
  };
}

function badHeader(name: string, text: string): UserError {
  return new UserError(
    `${name}: expected a NumPy header with descr, fortran_order and shape, found ${quote(text.trimEnd())}.`,
  );
}

function parseShape(text: string | undefined): number[] | undefined {
  const sizes = text?.slice(1, -1).match(/\d+/g) ?? [];
  const shape = sizes.map(Number);
  const isSound =
    text?.startsWith('(') && shape.length <= MAX_DIMENSIONS && shape.every(Number.isSafeInteger);
  return isSound ? shape : undefined;
}

/**
 * The array as a tensor. `size` is the length of the whole .npy; `read` gives bytes of it.
 * Throws a UserError if it has not the bytes that its shape asks for.
 */
export function npyTensor(
  file: string,
  name: string,
  { type, isBigEndian, isFortranOrder, shape, dataStart }: NpyHeader,
  size: number,
  read: (offset: number, length: number) => Promise<Uint8Array>,
): CheckpointTensor {
  const dtype = Object.hasOwn(DTYPES, type) ? DTYPES[type] : undefined;
  if (dtype === undefined) {
    const [, nameOf, reason] = UNREAD.find(([kind]) => kind.test(type))!;
    return unreadableTensor(file, name, nameOf(type), shape, reason);
  }
  const bytes = elementCount(shape) * itemBytes(dtype)!;
  if (bytes !== size - dataStart) {
    throw new UserError(
      `${file}: array ${quote(name)} of shape [${shape}] and ${dtype} takes ${bytes} bytes, but has ` +
        `${size - dataStart}; the file is cut short or damaged; download it again.`,
    );
  }
  const stride = isFortranOrder ? rowMajorStride([...shape].reverse()).reverse() : rowMajorStride(shape);
  const view: StridedView = { dtype, shape, stride, offset: 0, isBigEndian };
  return stridedTensor(name, view, (offset, length) => read(dataStart + offset, length));
}
