/** The exports of an assembly/ as a TypeScript interface, so that they stand in one place: the assembly itself. */

/** What JavaScript gives for a parameter of AssemblyScript's type. */
const PARAMETERS = {
  usize: 'Address',
  i32: 'number',
  u32: 'number',
  f32: 'number',
  f64: 'number',
  bool: 'boolean',
};
/** What JavaScript gets: a bool comes back as 0 or 1. */
const RESULTS = { ...PARAMETERS, usize: 'number', bool: 'number', void: 'void' };

/** Kernels that divide their work among threads have these last; left out, they are 0: no other threads. */
const OF_THREADS = ['queue', 'thread', 'threads'];

/**
 * The functions that an index.ts of AssemblyScript exports, with their parameters.
 *
 * @param {string} index path of the index.ts
 * @param {Readonly<Record<string, string>>} sources texts by their paths
 * @returns {{ name: string, comment: string, parameters: { name: string, type: string }[], result: string }[]}
 * @throws Error for an export that is not found, or of a type that JavaScript cannot call it with
 */
export function exportsOf(index, sources) {
  const text = sources[index];
  const names = [...text.matchAll(/^export \{([^}]*)\} from '(.*)';/gm)].flatMap(([, list, from]) => {
    const path = `${new URL(from, `file:///${index}`).pathname.slice(1)}.ts`;
    return list
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean)
      .map((name) => ({ name, path }));
  });
  const own = [...text.matchAll(/^export function (\w+)/gm)].map(([, name]) => ({ name, path: index }));
  return [...names, ...own].map(({ name, path }) => signatureOf(name, path, sources[path]));
}

function signatureOf(name, path, text = '') {
  const found = new RegExp(
    `((?:/\\*\\*(?:[^*]|\\*(?!/))*\\*/\\n)?)export function ${name}\\(([^)]*)\\): (\\w+)`,
  ).exec(text);
  if (!found) throw new Error(`${path} has no function ${name}`);
  const [, comment, list, result] = found;
  const parameters = list
    .split(',')
    .map((parameter) => parameter.trim())
    .filter(Boolean)
    .map((parameter) => {
      const [, own, type] = /^(\w+): (\w+)$/.exec(parameter) ?? [];
      if (!(type in PARAMETERS)) throw new Error(`${path}: ${name}: no JavaScript type for "${parameter}"`);
      return { name: own, type };
    });
  if (!(result in RESULTS)) throw new Error(`${path}: ${name}: no JavaScript type for ${result}`);
  return { name, comment, parameters, result };
}

/** The text of generated/exports.ts. */
export function exportTypes(index, sources) {
  const functions = exportsOf(index, sources).map(({ name, comment, parameters, result }) => {
    const typed = parameters.map(
      (parameter) =>
        `${parameter.name}${OF_THREADS.includes(parameter.name) ? '?' : ''}: ${PARAMETERS[parameter.type]}`,
    );
    const indented = comment.replace(/^(?=.)/gm, '  ');
    return `${indented}  ${name}(${typed.join(', ')}): ${RESULTS[result]};\n`;
  });
  return [
    '/** Bytes from the start of the memory; 0 for an operand that is not there. */\n',
    'export type Address = number;\n\n',
    '/** The functions of assembly/index.ts. */\n',
    `export interface Exports {\n${functions.join('')}}\n`,
  ].join('');
}
