import { ITEM_BYTES } from '../dtypes.js';
import { MAX_DIMENSIONS, MAX_REPEATED_ELEMENTS, MAX_STORAGES, MAX_VALUES } from '../limits.js';
import type { PickleHost } from '../pickle/machine.js';
import { PickleProblem } from '../pickle/problem.js';
import {
  Dict,
  describeValue,
  type Global,
  HostValue,
  Inert,
  List,
  type PickleValue,
  Tuple,
} from '../pickle/values.js';
import { quote } from '../quote.js';
import { elementCount, elementSpan, type StridedView } from '../stridedTensor.js';
import type { TensorDtype } from '../types.js';
import { findTorchGlobal, TorchGlobal } from './globals.js';

/** A stretch of a stored array. Tensors that share memory name the same key. */
export class TorchStorage extends HostValue {
  readonly description = 'a storage';

  constructor(
    readonly key: string,
    readonly dtype: TensorDtype,
    /** Elements of the whole array. */
    readonly rootElements: number,
    /** First element of the array that belongs to this view of it. */
    readonly viewOffset: number,
    readonly elements: number,
  ) {
    super();
  }

  get rootBytes(): number {
    return this.rootElements * ITEM_BYTES[this.dtype];
  }
}

/** A tensor whose values are still in the file. */
export class TorchTensor extends HostValue {
  readonly description = 'a tensor';

  constructor(
    readonly storage: TorchStorage,
    /** Counted from the start of the root array. */
    readonly view: StridedView,
  ) {
    super();
  }
}

/** Answers a checkpoint's pickle: names on the list, storages, tensors. Builds nothing else. */
export class TorchHost implements PickleHost {
  /** Every array named, by key. */
  readonly storages = new Map<string, TorchStorage>();
  #copied = 0;

  findGlobal(module: string, name: string): Global {
    const found = findTorchGlobal(module, name);
    if (found === undefined) {
      throw new PickleProblem(
        `the pickle asks for the global ${quote(`${module}.${name}`)}, which is not on the list of what a checkpoint ` +
          'may hold; nothing was run; save the weights alone, by torch.save(model.state_dict(), PATH)',
      );
    }
    return found;
  }

  call(target: Global, args: readonly PickleValue[]): PickleValue {
    const role = target instanceof TorchGlobal ? target.role : undefined;
    switch (role?.kind) {
      case 'dict':
        return this.#dictOf(args[0]);
      case 'tuple':
        return new Tuple(args.length === 0 ? [] : sequence(args[0]!, target.name));
      case 'inert':
        return new Inert(target.name, args);
      case 'rebuildTensor':
        return rebuildTensor(args);
      case 'rebuildTensorV3':
        return rebuildTensorV3(args);
      case 'rebuildParameter':
        return expectTensor(args[0], target.name);
      case 'rebuildFromType':
        return this.#rebuildFromType(args);
      default:
        throw new PickleProblem(`${target.name} is called, which is only ever named in a checkpoint`);
    }
  }

  /** ('storage', type, key, location, elements) and, in legacy files, (view key, offset, elements) or None. */
  persistent(id: PickleValue): HostValue {
    const [tag, type, key, , elements, view] = id instanceof Tuple ? id.items : [];
    const role = type instanceof TorchGlobal ? type.role : undefined;
    if (
      tag !== 'storage' ||
      role?.kind !== 'storage' ||
      (typeof key !== 'string' && typeof key !== 'number')
    ) {
      throw new PickleProblem('expected the persistent id of a storage, found something else');
    }
    const count = wholeNumber(elements, 'elements of a storage');
    const root = this.#register(new TorchStorage(String(key), role.dtype, count, 0, count));
    return view === undefined || view === null ? root : storageView(root, view);
  }

  #register(storage: TorchStorage): TorchStorage {
    const known = this.storages.get(storage.key);
    if (known === undefined) {
      if (this.storages.size === MAX_STORAGES)
        throw new PickleProblem(`it names more than ${MAX_STORAGES} storages`);
      this.storages.set(storage.key, storage);
      return storage;
    }
    if (known.dtype !== storage.dtype || known.rootElements !== storage.rootElements) {
      throw new PickleProblem(
        `storage ${quote(storage.key)} is named as ${known.rootElements} elements of ${known.dtype} and as ` +
          `${storage.rootElements} of ${storage.dtype}`,
      );
    }
    return known;
  }

  #dictOf(content: PickleValue | undefined): Dict {
    const dict = new Dict();
    if (content instanceof Dict) {
      for (const [key, value] of content.entries) this.#copyEntry(dict, key, value);
    } else if (content instanceof List) {
      // Python 2 wrote an OrderedDict as a list of pairs.
      for (const pair of content.items) {
        const [key, value] = sequence(pair, 'a dict entry');
        if (key === undefined || value === undefined) throw new PickleProblem('a dict entry is not a pair');
        this.#copyEntry(dict, key, value);
      }
    }
    return dict;
  }

  /** Counted, since one long list may be copied by as many calls as there are opcodes. */
  #copyEntry(dict: Dict, key: PickleValue, value: PickleValue): void {
    this.#copied += 1;
    if (this.#copied > MAX_VALUES) throw new PickleProblem(`more than ${MAX_VALUES} dict entries are copied`);
    dict.set(key, value);
  }

  /** A tensor with attributes or of a subclass: (function, type, its arguments, attributes). */
  #rebuildFromType(args: readonly PickleValue[]): PickleValue {
    const [rebuild, , inner] = args;
    const kind = rebuild instanceof TorchGlobal ? rebuild.role.kind : undefined;
    if (
      kind === undefined ||
      !kind.startsWith('rebuild') ||
      kind === 'rebuildFromType' ||
      !(inner instanceof Tuple)
    ) {
      throw new PickleProblem('expected the parts of a tensor in torch._tensor._rebuild_from_type_v2');
    }
    return this.call(rebuild as TorchGlobal, inner.items);
  }
}

/** (storage, offset, shape, stride, …): what follows (requires_grad, hooks, metadata) is for training. */
function rebuildTensor(args: readonly PickleValue[]): TorchTensor {
  const storage = args[0];
  if (!(storage instanceof TorchStorage))
    throw new PickleProblem('a tensor is made of something that is no storage');
  return viewOf(storage, args, storage.dtype, ITEM_BYTES[storage.dtype]);
}

/** (storage, offset, shape, stride, requires_grad, hooks, dtype, …) over a storage that is bytes. */
function rebuildTensorV3(args: readonly PickleValue[]): TorchTensor {
  const [storage, , , , , , dtype] = args;
  if (!(storage instanceof TorchStorage))
    throw new PickleProblem('a tensor is made of something that is no storage');
  if (!(dtype instanceof TorchGlobal && dtype.role.kind === 'dtype')) {
    throw new PickleProblem(`a tensor's dtype is ${describeValue(dtype ?? null)}, which is not read`);
  }
  return viewOf(storage, args, dtype.role.dtype, ITEM_BYTES[storage.dtype]);
}

function viewOf(
  storage: TorchStorage,
  args: readonly PickleValue[],
  dtype: TensorDtype,
  storageItem: number,
): TorchTensor {
  const shape = wholeNumbers(args[2], 'shape');
  const stride = wholeNumbers(args[3], 'strides');
  const offset = wholeNumber(args[1], 'offset of a tensor');
  if (stride.length !== shape.length) {
    throw new PickleProblem(`a tensor of ${shape.length} dimensions has ${stride.length} strides`);
  }
  const view = { dtype, shape, stride, offset };
  checkInside(storage, view, Math.floor((storage.elements * storageItem) / ITEM_BYTES[dtype]));
  const rootOffset = (storage.viewOffset * storageItem) / ITEM_BYTES[dtype];
  if (!Number.isInteger(rootOffset))
    throw new PickleProblem('a tensor begins within an element of its storage');
  return new TorchTensor(storage, { ...view, offset: offset + rootOffset });
}

function checkInside(storage: TorchStorage, view: StridedView, elements: number): void {
  const end = view.offset + elementSpan(view);
  if (!(end <= elements)) {
    throw new PickleProblem(
      `a tensor of shape [${view.shape}], strides [${view.stride}] and offset ${view.offset} reaches element ${end} of ` +
        `storage ${quote(storage.key)}, which has ${elements}`,
    );
  }
  const count = elementCount(view.shape);
  if (!(count <= Math.max(elements, MAX_REPEATED_ELEMENTS))) {
    throw new PickleProblem(
      `a tensor of shape [${view.shape}] repeats the ${elements} elements of its storage to ${count}; ` +
        `at most ${MAX_REPEATED_ELEMENTS} are read`,
    );
  }
}

function storageView(root: TorchStorage, view: PickleValue): TorchStorage {
  const [, offset, elements] = sequence(view, 'the view of a storage');
  const viewOffset = wholeNumber(offset, 'offset of a storage view');
  const count = wholeNumber(elements, 'elements of a storage view');
  if (viewOffset + count > root.rootElements) {
    throw new PickleProblem(
      `a view of storage ${quote(root.key)} reaches beyond its ${root.rootElements} elements`,
    );
  }
  return new TorchStorage(root.key, root.dtype, root.rootElements, viewOffset, count);
}

function expectTensor(value: PickleValue | undefined, where: string): TorchTensor {
  if (value instanceof TorchTensor) return value;
  throw new PickleProblem(`expected a tensor in ${where}, found ${describeValue(value ?? null)}`);
}

function sequence(value: PickleValue, what: string): readonly PickleValue[] {
  if (value instanceof Tuple || value instanceof List) return value.items;
  throw new PickleProblem(`expected a tuple for ${what}, found ${describeValue(value)}`);
}

function wholeNumbers(value: PickleValue | undefined, what: string): number[] {
  const items = sequence(value ?? null, `a tensor's ${what}`);
  if (items.length > MAX_DIMENSIONS) {
    throw new PickleProblem(`a tensor has ${items.length} dimensions; at most ${MAX_DIMENSIONS} are read`);
  }
  return items.map((item) => wholeNumber(item, `${what} of a tensor`));
}

function wholeNumber(value: PickleValue | undefined, what: string): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  const found =
    typeof value === 'number' || typeof value === 'bigint'
      ? `${value}`.slice(0, 30)
      : describeValue(value ?? null);
  throw new PickleProblem(`the ${what} should be a whole number from 0 to 2^53, found ${found}`);
}
