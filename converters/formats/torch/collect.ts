import { UserError } from '../../../src/errors.js';
import {
  MAX_COVERAGE,
  MAX_NAME_LENGTH,
  MAX_NESTING,
  MAX_REPEATED_ELEMENTS,
  MAX_TENSORS,
  MAX_VALUES,
} from '../limits.js';
import { Dict, Inert, List, type PickleValue, showName, Tuple } from '../pickle/values.js';
import { quote } from '../quote.js';
import { elementCount } from '../stridedTensor.js';
import { Metadata, type PlainValue } from './metadata.js';
import { contentOf } from './objectContent.js';
import type { TorchHost } from './objects.js';
import { TorchTensor, type UnreadContent, unread } from './tensors.js';

/** What a pickle held, by dotted path. */
export interface Collected {
  readonly tensors: ReadonlyMap<string, TorchTensor | UnreadContent>;
  readonly metadata: Record<string, PlainValue>;
}

/** What makes an array of NumPy 1 and 2 in a pickle. */
const NUMPY_ARRAY = /^numpy\.(_?core\.)(multiarray|numeric)\._(reconstruct|frombuffer)$/;

/** The name of a tensor that is a file's only content. */
const ROOT_NAME = 'tensor';

/**
 * Walks dicts, lists, tuples and the contents of placeholders: tensors under their dotted paths, plain values as
 * metadata, the rest passed over. Tensors within objects of unknown classes are listed, not to be read. Throws a
 * UserError if the bounds of limits.ts are passed, or all tensors lie within such objects.
 *
 * @param host what answered the pickle: the storages and the unknown names in it
 */
export function collect(
  root: PickleValue,
  host: Pick<TorchHost, 'storages' | 'unknown'>,
  file: string,
): Collected {
  const walk = new Walk(file);
  walk.visit(root, '', 0, undefined);
  checkFound(walk, [...host.unknown.keys()], file);
  let dataBytes = 0;
  for (const storage of host.storages.values()) dataBytes += storage.rootBytes;
  checkCoverage(walk.tensors, file, dataBytes);
  return { tensors: walk.tensors, metadata: walk.plain.values };
}

class Walk {
  readonly tensors = new Map<string, TorchTensor | UnreadContent>();
  readonly plain = new Metadata();
  /** Class of the first unknown object in which a tensor was found. */
  owner: string | undefined;
  /** Tensors that are in no such object. */
  outside = 0;
  /** Path of the first NumPy array. */
  array: string | undefined;
  #visited = 0;
  /** Objects that the walk is within: what holds itself is walked once. */
  readonly #within = new Set<PickleValue>();
  /** Objects within unknown ones: they point at each other as they like, so each is walked where it is met first. */
  readonly #seen = new Set<Inert>();

  constructor(readonly file: string) {}

  visit(value: PickleValue, path: string, depth: number, owner: string | undefined): void {
    this.#visited += 1;
    if (this.#visited > MAX_VALUES)
      throw new UserError(`${this.file}: it holds more than ${MAX_VALUES} values.`);
    if (value instanceof TorchTensor) this.#addTensor(value, path || ROOT_NAME, owner);
    else if (value instanceof Dict) this.#enter(value, path, depth, owner);
    else if (value instanceof List || value instanceof Tuple) this.#enter(value, path, depth, owner);
    else if (value instanceof Inert) this.#enterInert(value, path, depth, owner);
    else if (isPlain(value)) this.plain.add(path, value);
  }

  #enter(value: Dict | List | Tuple, path: string, depth: number, owner: string | undefined): void {
    if (this.#within.has(value)) return;
    if (depth > MAX_NESTING) {
      if (owner !== undefined) return;
      throw new UserError(`${this.file}: ${quote(path)} nests more than ${MAX_NESTING} deep.`);
    }
    this.#within.add(value);
    if (value instanceof Dict) this.#visitEntries(value, path, depth, owner);
    else {
      value.items.forEach((item, i) => {
        this.visit(item, this.#join(path, String(i)), depth + 1, owner);
      });
    }
    this.#within.delete(value);
  }

  #enterInert(inert: Inert, path: string, depth: number, owner: string | undefined): void {
    if (this.#within.has(inert) || (owner !== undefined && this.#seen.has(inert))) return;
    if (owner !== undefined) this.#seen.add(inert);
    if (NUMPY_ARRAY.test(inert.className)) this.array ??= path;
    this.#within.add(inert);
    const inner = inert.isKnown ? owner : (owner ?? inert.className);
    for (const part of contentOf(inert)) {
      if (part === inert) this.#visitEntries(inert, path, depth, inner);
      else if (part instanceof Dict) this.#visitEntries(part, path, depth, inner);
      else this.visit(part, path, depth + 1, inner);
    }
    this.#within.delete(inert);
  }

  #visitEntries(dict: Dict | Inert, path: string, depth: number, owner: string | undefined): void {
    for (const [key, value] of dict.entries) {
      const isName = typeof key === 'string' || typeof key === 'number' || typeof key === 'boolean';
      if (isName) this.visit(value, this.#join(path, String(key)), depth + 1, owner);
    }
  }

  #join(path: string, key: string): string {
    if (path.length + key.length >= MAX_NAME_LENGTH) {
      throw new UserError(
        `${this.file}: the name ${quote(path || key)} … has more than ${MAX_NAME_LENGTH} characters.`,
      );
    }
    return path === '' ? key : `${path}.${key}`;
  }

  #addTensor(tensor: TorchTensor, path: string, owner: string | undefined): void {
    if (this.tensors.size === MAX_TENSORS)
      throw new UserError(`${this.file}: it has more than ${MAX_TENSORS} tensors.`);
    if (owner === undefined) this.outside += 1;
    else this.owner ??= owner;
    const known = this.tensors.get(path);
    if (known !== undefined)
      this.tensors.set(path, { ...unread(tensor), reason: 'two tensors have this path' });
    else if (owner === undefined) this.tensors.set(path, tensor);
    else this.tensors.set(path, { ...unread(tensor), reason: `it lies in ${objectOf(owner)}` });
  }
}

function objectOf(className: string): string {
  return `a pickled object of ${showName(className)}, which only Python could build`;
}

function isPlain(value: PickleValue): value is PlainValue | bigint {
  return value === null || ['string', 'number', 'boolean', 'bigint'].includes(typeof value);
}

/** A file of which nothing can be read is refused at once, with the reason. */
function checkFound(walk: Walk, unknown: readonly string[], file: string): void {
  if (walk.outside > 0) return;
  if (walk.array !== undefined && walk.owner === undefined) {
    throw new UserError(
      `${file}: its values are NumPy arrays (${quote(walk.array)}), no tensors; save them with torch.from_numpy() around each, or as .npz.`,
    );
  }
  const remedy = 'nothing was run; save the weights alone, by torch.save(model.state_dict(), PATH)';
  if (walk.owner !== undefined)
    throw new UserError(`${file}: its tensors lie in ${objectOf(walk.owner)}; ${remedy}.`);
  if (unknown.length > 0) {
    throw new UserError(
      `${file}: holds no tensors; the pickle asks for the global ${quote(unknown[0]!)}, which is not on the list of ` +
        `what a checkpoint may hold; ${remedy}.`,
    );
  }
}

/** Views of one storage under many names could ask for any amount of work in a small file. */
function checkCoverage(tensors: Collected['tensors'], file: string, dataBytes: number): void {
  let elements = 0;
  for (const tensor of tensors.values()) {
    if (tensor instanceof TorchTensor && 'view' in tensor.content) elements += elementCount(tensor.shape);
  }
  const most = MAX_COVERAGE * dataBytes + MAX_REPEATED_ELEMENTS;
  if (elements > most) {
    throw new UserError(
      `${file}: its tensors have ${elements} elements over ${dataBytes} bytes of data; at most ${most} are read.`,
    );
  }
}
