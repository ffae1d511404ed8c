import { UserError } from '../errors.js';
import { nearest, shorten, show } from '../text.js';
import { DEFAULT_CONFIG, GROUPS, type TrainConfig } from './config.js';
import { FIELDS, type Field } from './configFields.js';

type Tree = { [key: string]: unknown };

/**
 * A whole configuration: the defaults, over them the given one, over that single fields by path.
 *
 * @param given a partial configuration, of unknown origin
 * @param fields values by path, e.g. {'optimizer.lr': 1e-3}; a group's path takes null
 * @param source names the configuration in errors
 * @throws UserError that names the field, what it may be and what it is
 */
export function resolveTrainConfig(given: unknown, fields: Tree = {}, source = 'configuration'): TrainConfig {
  const tree = structuredClone(DEFAULT_CONFIG) as unknown as Tree;
  for (const [path, value] of leaves(given, source)) assign(tree, path, value, source);
  for (const [path, value] of Object.entries(fields)) assign(tree, path, value, 'command line');
  const config = tree as unknown as TrainConfig;
  checkTogether(config);
  return config;
}

/** Every value of a tree with its path; the fields' own values, and groups that are null. */
function* leaves(tree: unknown, source: string, path = ''): Generator<[string, unknown]> {
  if (tree === null || typeof tree !== 'object' || Array.isArray(tree)) {
    throw new UserError(`${source}: ${path || 'it'} should be an object of fields, is ${show(tree)}`);
  }
  for (const [key, value] of Object.entries(tree)) {
    const here = path ? `${path}.${key}` : key;
    if (value === undefined) continue;
    if (Object.hasOwn(FIELDS, here) || (Object.hasOwn(GROUPS, here) && value === null)) yield [here, value];
    else if (isGroup(here)) yield* leaves(value, source, here);
    else throw new UserError(`${source}: there is no field ${shorten(here, 80)}${hint(here)}`);
  }
}

const isGroup = (path: string) => Object.keys(FIELDS).some((field) => field.startsWith(`${path}.`));

function hint(path: string): string {
  const last = path.split('.').at(-1)!;
  const parent = path.split('.').slice(0, -1).join('.');
  const paths = Object.keys(FIELDS);
  const siblings = paths
    .filter((field) => !parent || field.startsWith(`${parent}.`))
    .map((field) => field.slice(parent ? parent.length + 1 : 0).split('.')[0]!);
  const [sibling] = nearest(last, siblings);
  const elsewhere = paths.find((field) => field.split('.').at(-1) === last);
  const near = elsewhere ?? (sibling && (parent ? `${parent}.${sibling}` : sibling));
  return near ? `; did you mean ${near}?` : `; there are ${[...new Set(siblings)].join(', ')}`;
}

function assign(tree: Tree, path: string, value: unknown, source: string): void {
  const keys = path.split('.');
  let group = tree;
  for (const [i, key] of keys.slice(0, -1).entries()) {
    // A copy: two configurations must not share the defaults' groups.
    group[key] ??= structuredClone(GROUPS[keys.slice(0, i + 1).join('.')]);
    group = group[key] as Tree;
  }
  if (!(Object.hasOwn(GROUPS, path) && value === null)) {
    if (!Object.hasOwn(FIELDS, path))
      throw new UserError(`${source}: there is no field ${shorten(path, 80)}`);
    checkField(path, FIELDS[path], value, source);
  }
  group[keys.at(-1)!] = value;
}

function checkField(path: string, field: Field, value: unknown, source: string): void {
  if (value === null && field.nullable) return;
  if (!fits(field, value)) {
    throw new UserError(`${source}: ${path} should be ${expected(field)}, is ${show(value)}`);
  }
}

function fits(field: Field, value: unknown): boolean {
  switch (field.kind) {
    case 'flag':
      return typeof value === 'boolean';
    case 'text':
      return typeof value === 'string' && (field.choices?.includes(value) ?? true);
    case 'range':
      return (
        Array.isArray(value) &&
        value.length === 2 &&
        value.every((end) => isNumber(field, end)) &&
        value[0] <= value[1]
      );
    default:
      return isNumber(field, value);
  }
}

function isNumber({ kind, min = Number.NEGATIVE_INFINITY, max = Infinity, above }: Field, value: unknown) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  if (kind === 'whole' && !Number.isSafeInteger(value)) return false;
  return (above ? value > min : value >= min) && value <= max;
}

/** What a field takes, in words. */
export function expected(field: Field): string {
  const none = field.nullable ? ', or none' : '';
  if (field.choices) return `one of ${field.choices.join(', ')}${none}`;
  const bounds = [
    field.min === undefined ? '' : field.above ? ` above ${field.min}` : ` of at least ${field.min}`,
    field.max === undefined ? '' : ` and at most ${field.max}`,
  ].join('');
  const kinds = {
    flag: 'true or false',
    text: 'a text',
    whole: `a whole number${bounds}`,
    number: `a number${bounds}`,
    range: `two numbers${bounds}, the smaller first`,
  };
  return kinds[field.kind] + none;
}

/** What no field tells by itself. Nothing is read or opened here. */
function checkTogether(config: TrainConfig): void {
  const { model, init, data, val, output, distillation, optimizer, schedule } = config;
  const need = (ok: boolean, message: string) => {
    if (!ok) throw new UserError(message);
  };
  need(output !== '', 'say where the results go: output is empty (--output FOLDER)');
  need(data.path !== '', 'say where the training pictures are: data.path is empty (--data.path FOLDER)');
  need(val.path !== '', 'say where the validation pictures are: val.path is empty (--val.path FOLDER)');
  need(
    model.name === null || init.from === null,
    'model.name and init.from both give a shape; leave one of them out',
  );
  need(
    (distillation.type === 'none') === (distillation.teacher === null),
    distillation.type === 'none'
      ? 'distillation.teacher is given, but distillation.type is none; choose soft or hard'
      : `distillation.type is ${distillation.type}, so distillation.teacher must name a model`,
  );
  need(optimizer.beta1 < 1 && optimizer.beta2 < 1, 'optimizer.beta1 and beta2 must be below 1');
  need(
    schedule.warmupEpochs < schedule.epochs,
    `schedule.warmupEpochs (${schedule.warmupEpochs}) must be below schedule.epochs (${schedule.epochs})`,
  );
  need((model.dropPathRate ?? 0) < 1, 'model.dropPathRate must be below 1');
}
