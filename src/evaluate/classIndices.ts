import { imagenetLabels, imagenetSynsets } from '../../configs/imagenet.js';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { nearest, shorten } from '../text.js';

/** How class folders were matched to a model's classes. */
export interface ClassMatch {
  /** Class index of each folder, in the order given. */
  readonly indices: readonly number[];
  readonly by: 'labels' | 'synsets' | 'numbers' | 'order';
}

/** What of a model decides which class a name means. */
export interface Classes {
  readonly numClasses: number;
  readonly labels?: readonly string[];
}

/** A rule that gives names their class indices; undefined for a name that it does not know. */
interface Rule {
  readonly by: ClassMatch['by'];
  /** What the names should be, for messages. */
  readonly expected: string;
  /** Names that the rule knows, for suggestions. */
  readonly names: readonly string[];
  indexOf(name: string): number | undefined;
}

/** WordNet's synsets, as ImageNet's folders have them. */
const SYNSET = /^n\d{8}$/;
const WHOLE_NUMBER = /^\d{1,15}$/;

/**
 * Matches the names of class folders to a model's classes: by the model's labels, by ImageNet's synsets where the
 * labels are ImageNet's (or begin with a synset each), or as class indices where all names are whole numbers. Folders
 * may be fewer than classes. With `byOrder` the names do not count: sorted as torchvision's ImageFolder sorts them,
 * the folders are the classes, one for one.
 *
 * @param folders names of the folders
 * @throws UserError naming the folders that have no class and the names nearest to them
 */
export function matchClasses(
  folders: readonly string[],
  classes: Classes,
  { byOrder = false } = {},
): ClassMatch {
  checkArguments('matchClasses', { folders: ['texts', folders], classes: ['classes', classes] });
  if (byOrder) return inOrder(folders, classes.numClasses);
  const rules = rulesFor(classes, folders);
  for (const rule of rules) {
    const indices = folders.map((folder) => rule.indexOf(folder));
    if (!indices.every((index) => index !== undefined)) continue;
    requireDistinct(folders, indices);
    return { indices, by: rule.by };
  }
  throw new UserError(complaint(folders, rules, classes));
}

/** The class index that a label file's entry means: a label, a synset or a class index; undefined for none. */
export function classIndexReader(classes: Classes): (name: string) => number | undefined {
  checkArguments('classIndexReader', { classes: ['classes', classes] });
  const rules = rulesFor(classes, []);
  return (name) => {
    for (const rule of rules) {
      const index = rule.indexOf(name);
      if (index !== undefined) return index;
    }
    return undefined;
  };
}

/** Whether a model's classes are ImageNet-1k's, in ImageNet's order. */
function isImagenet(labels: readonly string[] | undefined): boolean {
  return labels?.length === 1000 && imagenetLabels.every((label, i) => labels[i] === label);
}

function rulesFor({ numClasses, labels }: Classes, folders: readonly string[]): Rule[] {
  const rules: Rule[] = [];
  if (labels) rules.push(byNames(labels, 'labels', "one of the model's labels"));
  if (isImagenet(labels)) rules.push(byNames(imagenetSynsets, 'synsets', "one of ImageNet-1k's synsets"));
  const synsets = labels?.map((label) => label.split(/[\s,_]/)[0]!);
  if (synsets?.every((synset) => SYNSET.test(synset))) {
    rules.push(byNames(synsets, 'synsets', "one of the synsets of the model's labels"));
  }
  // Labels that are numbers say themselves which number means which class: 10 may be the third of them.
  const numbered = labels?.some((label) => WHOLE_NUMBER.test(label)) ?? false;
  if (!numbered && folders.every((folder) => WHOLE_NUMBER.test(folder))) rules.push(byNumber(numClasses));
  return rules;
}

/** One spelling of a name: file systems decompose accents, and numbers may have zeros before them. */
function spelling(name: string): string {
  const text = name.normalize('NFC').trim();
  return WHOLE_NUMBER.test(text) ? String(Number(text)) : text;
}

function byNames(names: readonly string[], by: Rule['by'], expected: string): Rule {
  const index = new Map<string, number | undefined>();
  // A name that several classes have means none of them.
  for (const [i, name] of names.entries())
    index.set(spelling(name), index.has(spelling(name)) ? undefined : i);
  return { by, expected, names, indexOf: (name) => index.get(spelling(name)) };
}

function byNumber(numClasses: number): Rule {
  return {
    by: 'numbers',
    expected: `a class index from 0 to ${numClasses - 1}`,
    names: [],
    indexOf: (name) => {
      const index = Number(name);
      return WHOLE_NUMBER.test(name) && index < numClasses ? index : undefined;
    },
  };
}

function requireDistinct(folders: readonly string[], indices: readonly number[]): void {
  const seen = new Map<number, string>();
  for (const [i, index] of indices.entries()) {
    const other = seen.get(index);
    if (other !== undefined) {
      throw new UserError(
        `the class folders "${other}" and "${folders[i]}" both mean class ${index}; put their images into one`,
      );
    }
    seen.set(index, folders[i]!);
  }
}

/** How many folders an error names. */
const NAMED = 3;

/** Says which folders have no class, by the rule that knows most of them. */
function complaint(
  folders: readonly string[],
  rules: readonly Rule[],
  { numClasses, labels }: Classes,
): string {
  const unknownTo = (rule: Rule) => folders.filter((folder) => rule.indexOf(folder) === undefined);
  const best = [...rules].sort((a, b) => unknownTo(a).length - unknownTo(b).length)[0];
  const unknown = best ? unknownTo(best) : folders;
  const near = unknown.length > 0 && best ? nearest(unknown[0]!, best.names) : [];
  const quoted = (names: readonly string[]) => names.map((name) => `"${shorten(name, 80)}"`);
  const shown = quoted(unknown.slice(0, NAMED)).join(', ');
  const more = unknown.length > NAMED ? ` and ${unknown.length - NAMED} more` : '';
  const one = unknown.length === 1;
  const what = `the class folder${one ? '' : 's'} ${shown}${more}`;
  const ofNumbers = unknown.every((folder) => WHOLE_NUMBER.test(folder))
    ? countedFromOne(folders, numClasses)
    : '';
  const expected = best ? `${one ? 'is' : 'are'} not ${best.expected}` : 'cannot be matched to classes';
  const nearNames = near.length > 0 ? ` (near: ${quoted(near).join(', ')})` : '';
  const unlabelled = labels ? '' : '; the model has no labels: convert it with --labels FILE, a line a class';
  const ambiguous =
    best && unknown.some((name) => twice(best.names, name)) ? '; several classes have that name' : '';
  return (
    `${what} ${expected}${nearNames}${ambiguous}${ofNumbers}${unlabelled}; rename or remove ${one ? 'it' : 'them'}, or, if the ` +
    `sorted folders are the ${numClasses} classes in order, say so by --classes-by-order`
  );
}

function twice(names: readonly string[], name: string): boolean {
  return names.filter((other) => spelling(other) === spelling(name)).length > 1;
}

function countedFromOne(folders: readonly string[], numClasses: number): string {
  const numbers = folders.map(Number);
  const fromOne = numbers.includes(numClasses) && !numbers.includes(0);
  return fromOne ? '; class indices count from 0, these folders seem to count from 1' : '';
}

function inOrder(folders: readonly string[], numClasses: number): ClassMatch {
  if (folders.length !== numClasses) {
    throw new UserError(
      `--classes-by-order needs a class folder for each class: there are ${folders.length} class folders, ` +
        `the model has ${numClasses} classes`,
    );
  }
  const place = new Map([...folders].sort(compareCodePoints).map((folder, i) => [folder, i]));
  return { indices: folders.map((folder) => place.get(folder)!), by: 'order' };
}

/** Order by Unicode code points, as Python sorts; JavaScript's own order is by UTF-16 units. */
export function compareCodePoints(a: string, b: string): number {
  if (typeof a !== 'string' || typeof b !== 'string')
    throw new UserError('compareCodePoints: takes two texts');
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
