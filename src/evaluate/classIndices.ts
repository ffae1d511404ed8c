import { imagenetLabels, imagenetSynsets } from '../../configs/imagenet.js';
import { UserError } from '../errors.js';

/** How class folders were matched to a model's classes. */
export interface ClassMatch {
  /** Class index of each folder, in the order given. */
  readonly indices: readonly number[];
  readonly by: 'labels' | 'synsets' | 'order';
}

const SYNSET = /^n\d{8}$/;

/**
 * Matches the names of class folders to a model's classes: by the model's own labels, by synset, or in code-point
 * order, as torchvision's ImageFolder counts them.
 *
 * @param folders names of the folders
 * @throws UserError naming the first folder that has no class, or more folders than classes
 */
export function matchClasses(
  folders: readonly string[],
  model: { numClasses: number; labels?: readonly string[] },
): ClassMatch {
  const own = model.labels === imagenetLabels || isImagenet(model.labels) ? undefined : model.labels;
  return (
    (own && byNames(folders, own, 'labels')) ??
    (own && byNames(folders, own.map(firstWord), 'synsets')) ??
    (model.numClasses === 1000 ? byNames(folders, imagenetSynsets, 'synsets') : undefined) ??
    (isImagenet(model.labels) && folders.every((folder) => imagenetLabels.includes(folder))
      ? byNames(folders, imagenetLabels, 'labels')
      : undefined) ??
    byOrder(folders, model.numClasses)
  );
}

function isImagenet(labels: readonly string[] | undefined): boolean {
  return labels?.length === 1000 && imagenetLabels.every((label, i) => labels[i] === label);
}

const firstWord = (label: string) => label.split(/\s/)[0];

/** A match by name needs every folder to have a class; some with and some without is an error, not an order. */
function byNames(
  folders: readonly string[],
  names: readonly string[],
  by: 'labels' | 'synsets',
): ClassMatch | undefined {
  const index = new Map(names.map((name, i) => [name, i]));
  const missing = folders.filter((folder) => !index.has(folder));
  const synsets = by === 'synsets' && folders.every((folder) => SYNSET.test(folder)) && SYNSET.test(names[0]);
  if (missing.length === folders.length && !synsets) return undefined;
  if (missing.length > 0) {
    throw new UserError(
      `the class folder "${missing[0]}"${missing.length > 1 ? ` and ${missing.length - 1} more are` : ' is'} ` +
        `none of the model's ${names.length} classes`,
    );
  }
  return { indices: folders.map((folder) => index.get(folder)!), by };
}

function byOrder(folders: readonly string[], numClasses: number): ClassMatch {
  if (folders.length > numClasses) {
    throw new UserError(`there are ${folders.length} class folders, the model has ${numClasses} classes`);
  }
  const sorted = [...folders].sort(compareCodePoints);
  return { indices: folders.map((folder) => sorted.indexOf(folder)), by: 'order' };
}

/** Order by Unicode code points, as Python sorts; JavaScript's own order is by UTF-16 units. */
export function compareCodePoints(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const difference = left[i].codePointAt(0)! - right[i].codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
