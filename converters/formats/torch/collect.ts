import { UserError } from '../../../src/errors.js';
import {
  MAX_COVERAGE,
  MAX_METADATA_LENGTH,
  MAX_METADATA_VALUES,
  MAX_NAME_LENGTH,
  MAX_NESTING,
  MAX_REPEATED_ELEMENTS,
  MAX_TENSORS,
  MAX_VALUES,
} from '../limits.js';
import { Dict, Inert, List, type PickleValue, Tuple } from '../pickle/values.js';
import { quote } from '../quote.js';
import { elementCount } from '../stridedTensor.js';
import { TorchTensor } from './objects.js';

/** What a pickle held, by dotted path. */
export interface Collected {
  readonly tensors: ReadonlyMap<string, TorchTensor>;
  readonly metadata: Record<string, string | number | boolean | null>;
}

/** The name of a tensor that is a file's only content. */
const ROOT_NAME = 'tensor';

/**
 * Walks dicts, lists, tuples and the contents of placeholders: tensors under their dotted paths, plain values as
 * metadata, the rest passed over. Throws a UserError if paths clash or the bounds of limits.ts are passed.
 */
export function collect(root: PickleValue, file: string, dataBytes: number): Collected {
  const walk = new Walk(file);
  walk.visit(root, '', 0);
  checkCoverage(walk.tensors, file, dataBytes);
  return walk;
}

class Walk implements Collected {
  readonly tensors = new Map<string, TorchTensor>();
  /** No prototype: a key named `__proto__` is a key like any other. */
  readonly metadata: Record<string, string | number | boolean | null> = Object.create(null);
  #visited = 0;
  #plainValues = 0;

  constructor(readonly file: string) {}

  visit(value: PickleValue, path: string, depth: number): void {
    this.#visited += 1;
    if (this.#visited > MAX_VALUES)
      throw new UserError(`${this.file}: it holds more than ${MAX_VALUES} values.`);
    if (depth > MAX_NESTING) {
      throw new UserError(
        `${this.file}: ${quote(path)} nests more than ${MAX_NESTING} deep, or holds itself.`,
      );
    }
    if (value instanceof TorchTensor) this.#addTensor(value, path || ROOT_NAME);
    else if (value instanceof Dict) this.#visitEntries(value, path, depth);
    else if (value instanceof List || value instanceof Tuple) this.#visitItems(value.items, path, depth);
    else if (value instanceof Inert) this.#visitInert(value, path, depth);
    else if (isPlain(value)) this.#addPlain(value, path);
  }

  #visitEntries(dict: Dict | Inert, path: string, depth: number): void {
    for (const [key, value] of dict.entries) {
      const isName = typeof key === 'string' || typeof key === 'number' || typeof key === 'boolean';
      if (isName) this.visit(value, this.#join(path, String(key)), depth + 1);
    }
  }

  #visitItems(items: readonly PickleValue[], path: string, depth: number): void {
    items.forEach((item, i) => {
      this.visit(item, this.#join(path, String(i)), depth + 1);
    });
  }

  /** Attributes (argparse.Namespace) and entries (defaultdict); what an object was made of says nothing by itself. */
  #visitInert(inert: Inert, path: string, depth: number): void {
    if (inert.state instanceof Dict) this.#visitEntries(inert.state, path, depth);
    this.#visitEntries(inert, path, depth);
  }

  #join(path: string, key: string): string {
    if (path.length + key.length >= MAX_NAME_LENGTH) {
      throw new UserError(
        `${this.file}: the name ${quote(path || key)} … has more than ${MAX_NAME_LENGTH} characters.`,
      );
    }
    return path === '' ? key : `${path}.${key}`;
  }

  #addTensor(tensor: TorchTensor, path: string): void {
    if (this.tensors.has(path)) throw new UserError(`${this.file}: two tensors are named ${quote(path)}.`);
    if (this.tensors.size === MAX_TENSORS)
      throw new UserError(`${this.file}: it has more than ${MAX_TENSORS} tensors.`);
    this.tensors.set(path, tensor);
  }

  #addPlain(value: string | number | boolean | bigint | null, path: string): void {
    if (this.#plainValues === MAX_METADATA_VALUES || path === '') return;
    if (typeof value === 'string' && value.length > MAX_METADATA_LENGTH) return;
    this.#plainValues += 1;
    this.metadata[path] = typeof value === 'bigint' ? String(value) : value;
  }
}

function isPlain(value: PickleValue): value is string | number | boolean | bigint | null {
  return value === null || ['string', 'number', 'boolean', 'bigint'].includes(typeof value);
}

/** Views of one storage under many names could ask for any amount of work in a small file. */
function checkCoverage(tensors: ReadonlyMap<string, TorchTensor>, file: string, dataBytes: number): void {
  let elements = 0;
  for (const { view } of tensors.values()) elements += elementCount(view.shape);
  const most = MAX_COVERAGE * dataBytes + MAX_REPEATED_ELEMENTS;
  if (elements > most) {
    throw new UserError(
      `${file}: its tensors have ${elements} elements over ${dataBytes} bytes of data; at most ${most} are read.`,
    );
  }
}
