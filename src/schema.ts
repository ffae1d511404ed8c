/**
 * Configurations by a schema (valibot): one tree of fields gives types, defaults, checks, the options of the command line
 * and their help. A field is made by text, choice, whole, number …, wrapped in orNone if it may be null, and gets its
 * default in a group.
 */
import * as v from 'valibot';
import { isFields } from './checkOptions.js';
import { UserError } from './errors.js';
import { frozen } from './frozen.js';
import { nearest, shorten, show } from './text.js';

type Leaf = v.GenericSchema;

/** What a field of a configuration may hold, beside its schema. */
export interface Field {
  readonly kind: 'text' | 'number' | 'flag' | 'range';
  /** What it means, for help. */
  readonly describe: string;
  /** What it may be, for messages and docs. */
  readonly expected: string;
  readonly nullable: boolean;
  /** Whether it may change between a run and its continuation. */
  readonly mayChange: boolean;
}

/** Of each field's innermost schema. */
const facts = /* @__PURE__ */ new WeakMap<Leaf, Field>();

function described<S extends Leaf>(schema: S, kind: Field['kind'], describe: string, expected: string): S {
  facts.set(schema, { kind, describe, expected, nullable: false, mayChange: false });
  return schema;
}

interface Bounds {
  readonly min?: number;
  readonly max?: number;
  /** The value must be above this. */
  readonly above?: number;
}

function inWords({ min, max, above }: Bounds): string {
  const least = above === undefined ? (min === undefined ? '' : ` of at least ${min}`) : ` above ${above}`;
  return least + (max === undefined ? '' : ` and at most ${max}`);
}

const bounded = ({ min = -Infinity, max = Infinity, above = -Infinity }: Bounds) =>
  v.pipe(
    v.number(),
    v.finite(),
    v.minValue(min),
    v.maxValue(max),
    v.check((value) => value > above),
  );

export const text = (describe: string) => described(v.string(), 'text', describe, 'a text');

export const choice = <const Choice extends string>(describe: string, choices: readonly Choice[]) =>
  described(v.picklist(choices), 'text', describe, `one of ${choices.join(', ')}`);

export const flag = (describe: string) => described(v.boolean(), 'flag', describe, 'true or false');

export const whole = (describe: string, min: number, max?: number) =>
  described(
    v.pipe(bounded({ min, max }), v.safeInteger()),
    'number',
    describe,
    `a whole number${inWords({ min, max })}`,
  );

export const number = (describe: string, bounds: Bounds = { min: 0 }) =>
  described(bounded(bounds), 'number', describe, `a number${inWords(bounds)}`);

export const positive = (describe: string, max?: number) => number(describe, { above: 0, max });

export const probability = (describe: string) => number(describe, { min: 0, max: 1 });

/** Two numbers, the smaller first. */
export const range = (describe: string, bounds: Bounds) =>
  described(
    v.pipe(
      v.strictTuple([bounded(bounds), bounded(bounds)]),
      v.check(([low, high]) => low <= high),
    ),
    'range',
    describe,
    `two numbers${inWords(bounds)}, the smaller first`,
  );

/** A field that may change between a run and its continuation. */
export function changeable<S extends Leaf>(schema: S): S {
  facts.set(schema, { ...facts.get(schema)!, mayChange: true });
  return schema;
}

/** A field or a group that may be null. */
export const orNone = v.nullable;

/** A field or a group with its default. */
export const field = v.optional;

/** Fields by name. One that is not given has the defaults of its fields, unless it has a default of its own. */
export const group = v.strictObject;

type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** A whole configuration. */
export type Whole<S extends Leaf> = DeepReadonly<v.InferOutput<S>>;

type DeepPartial<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [K in keyof T]?: DeepPartial<T[K]> }
    : T;

/** A configuration of which only what differs from the defaults is said. */
export type Partially<S extends Leaf> = DeepReadonly<DeepPartial<v.InferOutput<S>>>;

type Entries = Readonly<Record<string, Leaf>>;

/** A group's entries, below its wrappers; undefined for a field. */
function entriesOf(schema: Leaf): Entries | undefined {
  const { wrapped, entries } = schema as { wrapped?: Leaf; entries?: Entries };
  return wrapped ? entriesOf(wrapped) : entries;
}

function isNullable(schema: Leaf): boolean {
  const { wrapped, type } = schema as { wrapped?: Leaf; type: string };
  return type === 'nullable' || (wrapped !== undefined && isNullable(wrapped));
}

function unwrapped(schema: Leaf): Leaf {
  const { wrapped } = schema as { wrapped?: Leaf };
  return wrapped ? unwrapped(wrapped) : schema;
}

/** Every field of a schema by its path. */
export function fieldsOf(schema: Leaf, prefix = ''): Record<string, Field> {
  const found: Record<string, Field> = {};
  for (const [name, entry] of Object.entries(entriesOf(schema) ?? {})) {
    const path = prefix + name;
    if (entriesOf(entry)) {
      Object.assign(found, fieldsOf(entry, `${path}.`));
      continue;
    }
    const own = facts.get(unwrapped(entry))!;
    const nullable = isNullable(entry);
    found[path] = { ...own, nullable, expected: nullable ? `${own.expected}, or none` : own.expected };
  }
  return found;
}

/** Paths of the groups that may be null. */
export function nullableGroups(schema: Leaf, prefix = ''): string[] {
  return Object.entries(entriesOf(schema) ?? {}).flatMap(([name, entry]) => {
    if (!entriesOf(entry)) return [];
    const path = prefix + name;
    return [...(isNullable(entry) ? [path] : []), ...nullableGroups(entry, `${path}.`)];
  });
}

type Tree = { [key: string]: unknown };

/**
 * A whole configuration: the defaults, over them the given one, over that single fields by path.
 *
 * @param given a partial configuration, of unknown origin
 * @param overrides values by path, e.g. {'optimizer.lr': 1e-3}; a nullable group's path takes null
 * @param source names the configuration in errors
 * @throws UserError that names the field, what it may be and what it is
 */
export function parseConfig<S extends Leaf>(
  schema: S,
  given: unknown,
  overrides: Readonly<Tree>,
  source: string,
): v.InferOutput<S> {
  if (!isFields(overrides))
    throw new UserError(`${source}: its single fields are an object by path, got ${show(overrides)}`);
  const tree = copyKnown(schema, given, source);
  for (const [path, value] of Object.entries(overrides)) assign(tree, path, value, schema);
  const result = v.safeParse(schema, tree, { abortEarly: true });
  if (result.success) return frozen(result.output) as v.InferOutput<S>;
  const fields = fieldsOf(schema);
  const whole = v.getDotPath(result.issues[0]) ?? '';
  // An issue within a range is about the range; one that is about no field is about a group.
  const path = Object.keys(fields).find((field) => whole === field || whole.startsWith(`${field}.`)) ?? whole;
  const expected = fields[path]?.expected ?? 'an object of fields';
  const from = Object.hasOwn(overrides, path) ? 'command line' : source;
  throw new UserError(`${from}: ${path} should be ${expected}, is ${show(valueAt(tree, path))}`);
}

/** The value of a field by its path; undefined if a group around it is null. */
export function valueAt(tree: unknown, path: string): unknown {
  return path.split('.').reduce((node, key) => (node as Tree | null | undefined)?.[key], tree);
}

/** A copy of a tree. Throws a UserError for a field that the schema does not have, with the one that may be meant. */
function copyKnown(
  schema: Leaf,
  tree: unknown,
  source: string,
  path: readonly string[] = [],
  root = schema,
): Tree {
  const entries = entriesOf(schema)!;
  if (!isFields(tree)) {
    throw new UserError(
      `${source}: ${path.join('.') || 'it'} should be an object of fields, is ${show(tree)}`,
    );
  }
  const copy: Tree = {};
  for (const [name, value] of Object.entries(tree as Tree)) {
    const here = [...path, name];
    if (value === undefined) continue;
    const entry = Object.hasOwn(entries, name) ? entries[name] : undefined;
    if (!entry) throw unknownField(here, Object.keys(entries), root, source);
    const isGroup = entriesOf(entry) !== undefined && !(value === null && isNullable(entry));
    copy[name] = isGroup ? copyKnown(entry, value, source, here, root) : value;
  }
  for (const [name, entry] of Object.entries(entries)) {
    if (entry.type === 'strict_object' && !(name in copy))
      copy[name] = copyKnown(entry, {}, source, [], root);
  }
  return copy;
}

function unknownField(
  path: readonly string[],
  siblings: readonly string[],
  root: Leaf,
  source: string,
): UserError {
  const last = path.at(-1)!;
  const [sibling] = nearest(last, siblings);
  const elsewhere = Object.keys(fieldsOf(root)).find((field) => field.split('.').at(-1) === last);
  const near = elsewhere ?? (sibling && [...path.slice(0, -1), sibling].join('.'));
  const hint = near ? `did you mean ${near}?` : `there are ${siblings.join(', ')}`;
  return new UserError(`${source}: there is no field ${shorten(path.join('.'), 80)}; ${hint}`);
}

function assign(tree: Tree, path: string, value: unknown, root: Leaf): void {
  const steps = path.split('.');
  let node = tree;
  let schema: Leaf | undefined = root;
  for (const [i, step] of steps.entries()) {
    const entries: Entries = (schema && entriesOf(schema)) ?? {};
    if (!Object.hasOwn(entries, step)) throw unknownField(steps, Object.keys(entries), root, 'command line');
    schema = entries[step];
    if (i === steps.length - 1) node[step] = value;
    else {
      node[step] ??= {};
      node = node[step] as Tree;
    }
  }
}
