import { UserError } from '../../src/errors.js';
import { sizeOf } from '../../src/shape.js';
import { bytesToFloat32, ITEM_BYTES, swapByteOrder } from './dtypes.js';
import { quote } from './quote.js';
import type { CheckpointTensor, TensorDtype } from './types.js';

/** Where a tensor's elements lie in its storage; all counts in elements. */
export interface StridedView {
  readonly dtype: TensorDtype;
  /** Whether the values are the negated elements (PyTorch's negative bit). */
  readonly isNegated?: boolean;
  /** Whether the bytes of an element stand in big-endian order. */
  readonly isBigEndian?: boolean;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly stride: readonly number[];
}

/** Number of elements; 0 if a dimension is 0, however large the others. */
export function elementCount(shape: readonly number[]): number {
  return shape.includes(0) ? 0 : sizeOf(shape);
}

/** Elements of storage from the first to the last that the view uses, both counted. */
export function elementSpan({ shape, stride }: Pick<StridedView, 'shape' | 'stride'>): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((span, size, i) => span + (size - 1) * stride[i]!, 1);
}

/** Strides of a row-major tensor. */
export function rowMajorStride(shape: readonly number[]): number[] {
  const stride = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    stride[i] = step;
    step *= Math.max(1, shape[i]!);
  }
  return stride;
}

/** A tensor whose read() asks for just the bytes that its view spans. `readStorage` counts bytes within the storage. */
export function stridedTensor(
  name: string,
  view: StridedView,
  readStorage: (offset: number, length: number) => Promise<Uint8Array>,
): CheckpointTensor {
  const { dtype, shape } = view;
  return {
    name,
    dtype,
    shape,
    async read() {
      const item = ITEM_BYTES[dtype];
      const span = elementSpan(view);
      if (span === 0) return new Float32Array(0);
      const bytes = await readStorage(view.offset * item, span * item);
      const ordered = isRowMajor(view) ? bytes : gather(bytes, view, item);
      const values = bytesToFloat32(view.isBigEndian ? swapByteOrder(ordered, item) : ordered, dtype);
      return view.isNegated ? values.map((value) => -value) : values;
    },
  };
}

/** A tensor that is listed, and refused when its values are asked for. `reason` is a clause: `its dtype is …`. */
export function unreadableTensor(
  file: string,
  name: string,
  dtype: string,
  shape: readonly number[],
  reason: string,
): CheckpointTensor {
  return {
    name,
    dtype,
    shape,
    unreadable: reason,
    async read() {
      throw new UserError(`${file}: tensor ${quote(name)} cannot be read: ${reason}.`);
    },
  };
}

function isRowMajor({ shape, stride }: StridedView): boolean {
  const expected = rowMajorStride(shape);
  return shape.every((size, i) => size === 1 || stride[i] === expected[i]);
}

/** The view's elements in row-major order. Moves integers of the item's size, so that no bit of a float changes. */
function gather(bytes: Uint8Array, { shape, stride }: StridedView, item: 1 | 2 | 4 | 8): Uint8Array {
  const count = elementCount(shape);
  const unit = item === 1 ? Uint8Array : item === 2 ? Uint16Array : Uint32Array;
  const units = item === 8 ? 2 : 1;
  const isAligned = bytes.byteOffset % unit.BYTES_PER_ELEMENT === 0;
  const source = isAligned ? bytes : bytes.slice();
  const from = new unit(
    source.buffer as ArrayBuffer,
    source.byteOffset,
    source.byteLength / unit.BYTES_PER_ELEMENT,
  );
  const to = new unit(count * units);
  const rowLength = shape.at(-1) ?? 1;
  const step = (stride.at(-1) ?? 1) * units;
  let i = 0;
  for (const start of rowStarts(shape, stride)) {
    let at = start * units;
    for (let column = 0; column < rowLength; column++, at += step) {
      to[i++] = from[at]!;
      if (units === 2) to[i++] = from[at + 1]!;
    }
  }
  return new Uint8Array(to.buffer);
}

/** First element of each run along the last dimension, in row-major order. */
function* rowStarts(shape: readonly number[], stride: readonly number[]): Generator<number> {
  const last = shape.length - 2;
  const index = new Array<number>(shape.length).fill(0);
  let at = 0;
  for (;;) {
    yield at;
    let d = last;
    for (; d >= 0; d--) {
      index[d]! += 1;
      at += stride[d]!;
      if (index[d]! < shape[d]!) break;
      at -= shape[d]! * stride[d]!;
      index[d] = 0;
    }
    if (d < 0) return;
  }
}
