import { UserError } from '../../src/errors.js';
import { type Fields, isObject, shown } from './fields.js';

/**
 * The names of the classes in Hugging Face's `id2label`, whose keys are the indices as texts.
 *
 * @throws UserError if an index from 0 to the number of names is missing, or a name is no text
 */
export function labelsOfId2label(value: unknown, where: string): readonly string[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw new UserError(`${where} is ${shown(value)}; expected indices and names`);
  return inOrder(value, where);
}

/**
 * The names of the classes in timm's `label_names`, a list or an object by index, in the words of `label_descriptions`
 * where it has them.
 */
export function timmLabels(config: Fields, where: string): readonly string[] | undefined {
  const { label_names: names, label_descriptions: descriptions } = config;
  if (names === undefined || names === null) return undefined;
  const what = `${where}: label_names`;
  if (!Array.isArray(names) && !isObject(names)) {
    throw new UserError(`${what} is ${shown(names)}; expected a list of names, or indices and names`);
  }
  const list = Array.isArray(names) ? inOrder({ ...names }, what) : inOrder(names, what);
  if (!isObject(descriptions)) return list;
  return list.map((name) => (typeof descriptions[name] === 'string' ? (descriptions[name] as string) : name));
}

function inOrder(byIndex: Fields, where: string): readonly string[] {
  const count = Object.keys(byIndex).length;
  const labels: string[] = [];
  for (let index = 0; index < count; index++) {
    const label = byIndex[index];
    if (label === undefined) {
      throw new UserError(`${where} has ${count} names, but none for class ${index}; number them from 0`);
    }
    if (typeof label !== 'string' && typeof label !== 'number') {
      throw new UserError(`${where}: class ${index} is ${shown(label)}; expected a name`);
    }
    labels.push(String(label));
  }
  return labels;
}
