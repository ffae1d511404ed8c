import { quote } from '../quote.js';

/** What a pickle can hold here: plain data, and names of things that are never called. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | Tuple
  | List
  | Dict
  | Inert
  | Global
  | HostValue;

export class Tuple {
  constructor(readonly items: readonly PickleValue[]) {}
}

export class List {
  constructor(readonly items: PickleValue[] = []) {}

  append(item: PickleValue): void {
    this.items.push(item);
  }
}

/** A dict. A Map, so that a key named `__proto__` is a key like any other. */
export class Dict {
  #entries: Map<PickleValue, PickleValue> | undefined;

  /** Keys that are not plain (tuples, objects) are told apart by identity. */
  set(key: PickleValue, value: PickleValue): void {
    // Made when first needed: an empty Map costs ten times an empty Dict, and pickles can ask for millions.
    this.#entries ??= new Map();
    this.#entries.set(this.#known(key), value);
  }

  /** To Python, True and 1 are one key, as are False and 0: the one that came first names the entry. */
  #known(key: PickleValue): PickleValue {
    let twin: PickleValue;
    if (typeof key === 'boolean') twin = Number(key);
    else if (key === 0 || key === 1) twin = key === 1;
    else return key;
    return this.#entries!.has(twin) ? twin : key;
  }

  get(key: PickleValue): PickleValue | undefined {
    return this.#entries?.get(key);
  }

  get entries(): Iterable<[PickleValue, PickleValue]> {
    return this.#entries ?? [];
  }
}

/**
 * Stands where Python would have built an object (argparse.Namespace, a NumPy array, a set …). It keeps the plain data
 * that was to go into the object and does nothing with it.
 */
export class Inert {
  /** Its attributes, or whatever else was to be its state. */
  state: PickleValue = null;
  #items: List | undefined;
  #dict: Dict | undefined;

  constructor(
    /** As the file has it: to be quoted in messages. */
    readonly className: string,
    /** What it was to be made of. */
    readonly args: readonly PickleValue[],
    /** Whether the class is known not to change what is put into it. */
    readonly isKnown = true,
  ) {}

  /** Items appended or added to it. */
  get items(): readonly PickleValue[] {
    return this.#items?.items ?? [];
  }

  /** Entries set on it. */
  get entries(): Iterable<[PickleValue, PickleValue]> {
    return this.#dict?.entries ?? [];
  }

  append(item: PickleValue): void {
    this.#items ??= new List();
    this.#items.append(item);
  }

  set(key: PickleValue, value: PickleValue): void {
    this.#dict ??= new Dict();
    this.#dict.set(key, value);
  }
}

/** A name of Python's world, as `module.name`; what may be done with it is the host's to say. */
export class Global {
  constructor(readonly name: string) {}
}

/** Base of values that a host makes itself, e.g. tensors. */
export abstract class HostValue {
  /** What it is, for messages. */
  abstract readonly description: string;

  /** BUILD: takes the state in, as Python would, or passes over it where nothing depends on it. */
  setState(_state: PickleValue): void {}
}

/** A dotted name out of a file, for messages: as it is if it is plain, else quoted. */
export function showName(name: string): string {
  return /^[\w.]{1,80}$/.test(name) ? name : quote(name);
}

/** What a value is, in Python's words, for messages. */
export function describePickled(value: PickleValue): string {
  if (value === null) return 'None';
  if (value instanceof Global) return `the global ${showName(value.name)}`;
  if (value instanceof Inert) return `an object of ${showName(value.className)}`;
  if (value instanceof HostValue) return value.description;
  if (value instanceof Tuple) return 'a tuple';
  if (value instanceof List) return 'a list';
  if (value instanceof Dict) return 'a dict';
  if (value instanceof Uint8Array) return 'bytes';
  if (typeof value === 'string') return 'a string';
  if (typeof value === 'boolean') return 'a boolean';
  return 'a number';
}
