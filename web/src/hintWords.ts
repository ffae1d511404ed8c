/** Options of the command line, which the library's texts name, by the words that they have on this page. */

/** Fields by the option of the command line that is the same; those without an element stand elsewhere on the page. */
const FIELDS: Readonly<Record<string, { readonly words: string; readonly id?: string }>> = {
  'num-heads': { words: '“Attention heads”', id: 'hint-num-heads' },
  'img-size': { words: '“Input size”', id: 'hint-img-size' },
  pool: { words: '“The head reads”', id: 'hint-pool' },
  activation: { words: '“Non-linearity”', id: 'hint-activation' },
  'layer-norm-eps': { words: '“Epsilon of the layer norms”', id: 'hint-layer-norm-eps' },
  pooler: { words: '“Pooler”: yes', id: 'hint-pooler' },
  'no-pooler': { words: '“Pooler”: no', id: 'hint-pooler' },
  root: { words: '“Names begin with”', id: 'hint-root' },
  'num-classes': { words: '“Classes”', id: 'hint-num-classes' },
  preset: { words: '“Preprocessing”' },
};
const OPTION = /--([a-z][a-z-]+)/g;

/** A text of the library, its options by the names that they have on this page. */
export function inPageWords(text: string): string {
  return text.replace(OPTION, (option, name: string) => FIELDS[name]?.words ?? option);
}

/** The field that an error asks for, if there is one. */
export function hintAskedFor(message: string): string | undefined {
  const names = [...message.matchAll(OPTION)].map(([, name]) => name!);
  return names.map((name) => FIELDS[name]?.id).find((id) => id !== undefined);
}
