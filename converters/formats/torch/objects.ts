import { MAX_STORAGES, MAX_UNKNOWN_NAMES, MAX_VALUES } from '../limits.js';
import type { PickleHost } from '../pickle/machine.js';
import { PickleProblem } from '../pickle/problem.js';
import {
  Dict,
  describePickled,
  Global,
  type HostValue,
  Inert,
  List,
  type PickleValue,
  showName,
  Tuple,
} from '../pickle/values.js';
import { quote } from '../quote.js';
import { findTorchGlobal, isAttack, TorchGlobal } from './globals.js';
import { opaqueTensor, sparseTensor, tensorOfUnknown } from './opaqueTensors.js';
import {
  rebuildTensor,
  rebuildTensorV3,
  sequence,
  TorchStorage,
  TorchTensor,
  unread,
  wholeNumber,
} from './tensors.js';

/**
 * Answers a checkpoint's pickle: storages, tensors and plain data for the names that are known, placeholders for all
 * others. Nothing is imported, called or built, whatever is named.
 */
export class TorchHost implements PickleHost {
  /** Every array named, by key. */
  readonly storages = new Map<string, TorchStorage>();
  /** Names that are on no list, in the order in which they were asked for. */
  readonly unknown = new Map<string, TorchGlobal>();
  #copied = 0;

  findGlobal(module: string, name: string): Global {
    const known = findTorchGlobal(module, name);
    if (known !== undefined) return known;
    const full = `${module}.${name}`;
    if (isAttack(module, name)) {
      throw new PickleProblem(
        `the pickle asks for the global ${quote(full)}, by which Python would run code of the file's choice: ` +
          'no training script writes that, so do not load this file anywhere; nothing was run',
      );
    }
    return this.#unknownGlobal(full);
  }

  #unknownGlobal(full: string): Global {
    let unknown = this.unknown.get(full);
    if (unknown === undefined) {
      if (this.unknown.size === MAX_UNKNOWN_NAMES)
        throw new PickleProblem(`it names more than ${MAX_UNKNOWN_NAMES} classes and functions`);
      unknown = new TorchGlobal(full, { kind: 'unknown' });
      this.unknown.set(full, unknown);
    }
    return unknown;
  }

  call(target: Global | Inert, args: readonly PickleValue[]): PickleValue {
    const name = target instanceof Global ? target.name : target.className;
    switch (target instanceof TorchGlobal ? target.role.kind : 'unknown') {
      case 'dict':
        return this.#dictOf(args[0]);
      case 'tuple':
        return new Tuple(args.length === 0 ? [] : sequence(args[0]!, name));
      case 'inert':
        return new Inert(name, args);
      case 'newObject':
        return this.#newObject(name, args);
      case 'rebuildTensor':
        return args[0] instanceof Inert ? unknownTensor(name, args) : rebuildTensor(args);
      case 'rebuildTensorV3':
        return args[0] instanceof Inert ? unknownTensor(name, args) : rebuildTensorV3(args);
      case 'rebuildParameter':
        return args[0] instanceof Inert ? unknownTensor(name, args) : expectTensor(args[0], name);
      case 'rebuildFromType':
        return this.#rebuildFromType(args);
      case 'rebuildSparse':
        return sparseTensor(args);
      case 'rebuildOpaque':
        return opaqueTensor(name, args);
      case 'unknown':
        return tensorOfUnknown(name, args) ?? new Inert(name, args, false);
      default:
        throw new PickleProblem(`${name} is called, which is only ever named in a checkpoint`);
    }
  }

  /** copyreg's functions, by which protocols 0 and 1 make an object: (class, …). */
  #newObject(name: string, [target]: readonly PickleValue[]): PickleValue {
    if (!(target instanceof Global))
      throw new PickleProblem(`expected a class in ${name}, found ${describePickled(target ?? null)}`);
    return this.call(target, []);
  }

  /**
   * ('storage', type, key, location, elements) and, in legacy files, (view key, offset, elements) or None; there also
   * ('module', class, file, source) in the place of a module's class.
   */
  persistent(id: PickleValue): HostValue | Global {
    const [tag, type, key, location, elements, view] = id instanceof Tuple ? id.items : [];
    const role = type instanceof TorchGlobal ? type.role : undefined;
    if (tag === 'module' && type instanceof TorchGlobal && role?.kind === 'unknown') return type;
    if (
      tag !== 'storage' ||
      role?.kind !== 'storage' ||
      (typeof key !== 'string' && typeof key !== 'number')
    ) {
      throw new PickleProblem('expected the persistent id of a storage, found something else');
    }
    const count = wholeNumber(elements, 'elements of a storage');
    if (location === 'meta') return new TorchStorage(String(key), role.dtype, count, 0, count, true);
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
    const [rebuild, type, inner] = args;
    const kind = rebuild instanceof TorchGlobal ? rebuild.role.kind : 'none';
    const isKnown = kind.startsWith('rebuild') && kind !== 'rebuildFromType';
    if (!(inner instanceof Tuple) || !(isKnown || kind === 'unknown'))
      throw new PickleProblem('expected the parts of a tensor in torch._tensor._rebuild_from_type_v2');
    const made = this.call(rebuild as TorchGlobal, inner.items);
    const isPlain = type === null || (type instanceof TorchGlobal && type.role.kind === 'type');
    if (isPlain || !(made instanceof TorchTensor)) return made;
    // What a subclass means by its elements is its own affair: packed, quantised, masked …
    const name = type instanceof Global ? showName(type.name) : describePickled(type ?? null);
    return new TorchTensor({ ...unread(made), reason: `it is of the tensor subclass ${name}` });
  }
}

/** A tensor over something that only Python code could have made. */
function unknownTensor(name: string, args: readonly PickleValue[]): TorchTensor {
  const part = args[0] as Inert;
  return new TorchTensor({
    dtype: 'unknown',
    shape: [],
    reason: `${showName(name)} makes it of ${describePickled(part)}, which is not known; nothing was run`,
  });
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
  throw new PickleProblem(`expected a tensor in ${where}, found ${describePickled(value ?? null)}`);
}
