import { isReadable, itemBytes } from '../dtypes.js';
import { MAX_DIMENSIONS, MAX_REPEATED_ELEMENTS } from '../limits.js';
import { PickleProblem } from '../pickle/problem.js';
import { Dict, describeValue, HostValue, List, type PickleValue, Tuple } from '../pickle/values.js';
import { quote } from '../quote.js';
import { elementCount, elementSpan, type StridedView } from '../stridedTensor.js';
import { TorchGlobal } from './globals.js';

/** A stretch of a stored array. Tensors that share memory name the same key. */
export class TorchStorage extends HostValue {
  readonly description = 'a storage';

  constructor(
    readonly key: string,
    /** PyTorch's name of the element type, read or not. */
    readonly dtype: string,
    /** Elements of the whole array. */
    readonly rootElements: number,
    /** First element of the array that belongs to this view of it. */
    readonly viewOffset: number,
    readonly elements: number,
    /** Whether it was on the device "meta", which keeps no values: nothing of it is in the file. */
    readonly isMeta = false,
  ) {
    super();
  }

  get itemBytes(): number {
    return itemBytes(this.dtype)!;
  }

  get rootBytes(): number {
    return this.rootElements * this.itemBytes;
  }
}

/** Values that are in the file, and where. */
export interface StoredContent {
  readonly storage: TorchStorage;
  /** Counted from the start of the root array. */
  readonly view: StridedView;
}

/** What is known of a tensor whose values are not read. */
export interface UnreadContent {
  readonly dtype: string;
  readonly shape: readonly number[];
  /** A clause: `its dtype complex64 is not read`. */
  readonly reason: string;
}

/** A tensor whose values are still in the file, or that is not read. */
export class TorchTensor extends HostValue {
  readonly description = 'a tensor';

  constructor(public content: StoredContent | UnreadContent) {
    super();
  }

  get dtype(): string {
    return 'view' in this.content ? this.content.view.dtype : this.content.dtype;
  }

  get shape(): readonly number[] {
    return 'view' in this.content ? this.content.view.shape : this.content.shape;
  }

  /**
   * torch.Tensor.__setstate__ and what loaders do in its stead: four parts put the tensor over another storage, the
   * first of five is the tensor whose values it takes; the rest (attributes, hooks) changes no value.
   */
  override setState(state: PickleValue): void {
    const parts = state instanceof Tuple ? state.items : undefined;
    const first = parts?.[0];
    if (parts?.length === 4 && first instanceof TorchStorage)
      this.content = tensorOver(first, parts, first.dtype);
    else if (parts?.length === 5 && first instanceof TorchTensor) this.content = first.content;
    else if (!(state === null || state instanceof Dict || (parts !== undefined && parts.length <= 3)))
      this.content = { ...unread(this), reason: `its state is set to ${describeValue(state)}` };
  }
}

/** The same tensor's type and shape, to be kept without its values. */
export function unread({ dtype, shape }: TorchTensor): Omit<UnreadContent, 'reason'> {
  return { dtype, shape };
}

/** _rebuild_tensor, _v2: (storage, offset, shape, stride, requires_grad, hooks, metadata). */
export function rebuildTensor(args: readonly PickleValue[]): TorchTensor {
  const storage = expectStorage(args[0]);
  return new TorchTensor(tensorOver(storage, args, storage.dtype, args[6]));
}

/** _rebuild_tensor_v3: as _v2 over a storage that is bytes, with the dtype before the metadata. */
export function rebuildTensorV3(args: readonly PickleValue[]): TorchTensor {
  const storage = expectStorage(args[0]);
  const dtype = args[6];
  if (!(dtype instanceof TorchGlobal && dtype.role.kind === 'dtype')) {
    throw new PickleProblem(`a tensor's dtype is ${describeValue(dtype ?? null)}, which is not read`);
  }
  return new TorchTensor(tensorOver(storage, args, dtype.role.dtype, args[7]));
}

function expectStorage(value: PickleValue | undefined): TorchStorage {
  if (value instanceof TorchStorage) return value;
  throw new PickleProblem('a tensor is made of something that is no storage');
}

function tensorOver(
  storage: TorchStorage,
  args: readonly PickleValue[],
  dtype: string,
  metadata?: PickleValue,
): StoredContent | UnreadContent {
  const shape = wholeNumbers(args[2], 'shape');
  const stride = wholeNumbers(args[3], 'strides');
  const start = wholeNumber(args[1], 'offset of a tensor');
  if (stride.length !== shape.length) {
    throw new PickleProblem(`a tensor of ${shape.length} dimensions has ${stride.length} strides`);
  }
  const item = itemBytes(dtype)!;
  const elements = Math.floor((storage.elements * storage.itemBytes) / item);
  checkInside(storage, { shape, stride, offset: start }, elements);
  const rootOffset = (storage.viewOffset * storage.itemBytes) / item;
  if (!Number.isInteger(rootOffset))
    throw new PickleProblem('a tensor begins within an element of its storage');
  const { isNegated, reason } = signOf(metadata, dtype);
  const unreadable = reason ?? reasonNotToRead(storage, shape, elements);
  if (!isReadable(dtype) || unreadable !== undefined)
    return { dtype, shape, reason: unreadable ?? `its dtype ${dtype} is not read; save it as float32` };
  return { storage, view: { dtype, shape, stride, offset: start + rootOffset, isNegated } };
}

/** PyTorch's negative and conjugate bits, which a view carries in place of changed values. */
function signOf(metadata: PickleValue | undefined, dtype: string): { isNegated: boolean; reason?: string } {
  const isSet = (name: string) => metadata instanceof Dict && metadata.get(name) === true;
  if (isSet('conj')) return { isNegated: false, reason: 'its conjugate bit is set' };
  if (isSet('neg') && !/float/.test(dtype))
    return { isNegated: false, reason: `its negative bit is set, of ${dtype}` };
  return { isNegated: isSet('neg') };
}

function reasonNotToRead(
  storage: TorchStorage,
  shape: readonly number[],
  elements: number,
): string | undefined {
  if (storage.isMeta) return 'it was saved on the device "meta", which keeps no values';
  const count = elementCount(shape);
  if (count <= Math.max(elements, MAX_REPEATED_ELEMENTS)) return undefined;
  return (
    `its shape [${shape}] repeats the ${elements} elements of its storage to ${count}; ` +
    `at most ${MAX_REPEATED_ELEMENTS} are read`
  );
}

function checkInside(
  storage: TorchStorage,
  view: { readonly shape: number[]; readonly stride: number[]; readonly offset: number },
  elements: number,
): void {
  const end = view.offset + elementSpan(view);
  if (!(end <= elements)) {
    throw new PickleProblem(
      `a tensor of shape [${view.shape}], strides [${view.stride}] and offset ${view.offset} reaches element ${end} of ` +
        `storage ${quote(storage.key)}, which has ${elements}`,
    );
  }
}

/** The items of a tuple or a list. `what` is said where it is neither. */
export function sequence(value: PickleValue, what: string): readonly PickleValue[] {
  if (value instanceof Tuple || value instanceof List) return value.items;
  throw new PickleProblem(`expected a tuple for ${what}, found ${describeValue(value)}`);
}

/** A shape, or strides. */
function wholeNumbers(value: PickleValue | undefined, what: string): number[] {
  const items = sequence(value ?? null, `a tensor's ${what}`);
  if (items.length > MAX_DIMENSIONS) {
    throw new PickleProblem(`a tensor has ${items.length} dimensions; at most ${MAX_DIMENSIONS} are read`);
  }
  return items.map((item) => wholeNumber(item, `${what} of a tensor`));
}

export function wholeNumber(value: PickleValue | undefined, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const found =
    typeof value === 'number' || typeof value === 'bigint'
      ? `${value}`.slice(0, 30)
      : describeValue(value ?? null);
  throw new PickleProblem(`the ${what} should be a whole number from 0 to 2^53, found ${found}`);
}
