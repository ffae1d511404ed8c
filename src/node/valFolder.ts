import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { imagenetSynsets } from '../../configs/imagenet.js';
import { UserError } from '../errors.js';
import { compareCodePoints, type LabelledPicture, matchClasses } from '../evaluate/index.js';

/** File name endings that torchvision's ImageFolder takes for pictures. */
const PICTURE = /\.(?:jpe?g|png|ppm|bmp|pgm|tiff?|webp)$/i;

/** A line of a labels file; the picture's name may have spaces in it, and so may the class's. */
const PICTURE_AND_CLASS = new RegExp(`^(.+?${PICTURE.source.slice(0, -1)})[\\s,]+(.+)$`, 'i');

/** A folder of pictures with the class of each. */
export interface ValFolder {
  readonly root: string;
  /** In the order of their paths' code points, class folder by class folder. */
  readonly pictures: readonly LabelledPicture[];
  /** How the classes were found, one line. */
  readonly matched: string;
}

interface Classes {
  readonly numClasses: number;
  readonly labels?: readonly string[];
}

/**
 * Lists the pictures of a val folder: class folders (an ImageNet val folder), or flat pictures with a labels file
 * whose lines are `FILE LABEL`, LABEL a class index, a synset or one of the model's labels.
 */
export async function openValFolder(root: string, model: Classes, labelsFile?: string): Promise<ValFolder> {
  const info = await stat(root).catch(() => undefined);
  if (!info?.isDirectory()) throw new UserError(`${root}: no such folder; give a folder of class folders`);
  const folder = labelsFile ? await flatFolder(root, model, labelsFile) : await classFolders(root, model);
  if (folder.pictures.length > 0) return folder;
  throw new UserError(`${root}: no pictures in it (looked for .jpeg, .png, .webp, .bmp, .tif, .ppm)`);
}

async function classFolders(root: string, model: Classes): Promise<ValFolder> {
  const entries = await readdir(root, { withFileTypes: true });
  const folders = entries
    .filter((entry) => !entry.name.startsWith('.') && (entry.isDirectory() || entry.isSymbolicLink()))
    .map((entry) => entry.name)
    .sort(compareCodePoints);
  if (folders.length === 0) {
    const hint = entries.some((entry) => PICTURE.test(entry.name))
      ? 'pictures that lie flat need a file with their classes: --labels FILE'
      : 'it has no class folders';
    throw new UserError(`${root}: ${hint}`);
  }
  const match = await within(root, () => matchClasses(folders, model));
  const pictures: LabelledPicture[] = [];
  for (const [i, name] of folders.entries()) {
    for (const file of await listPictures(join(root, name))) {
      pictures.push({ file: `${name}/${file}`, label: match.indices[i] });
    }
  }
  return { root, pictures, matched: `${folders.length} class folders matched by ${match.by}` };
}

async function within<T>(root: string, work: () => T): Promise<T> {
  try {
    return work();
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${root}: ${error.message}`) : error;
  }
}

/** Paths of pictures below a folder, with forward slashes, sorted. */
export async function listPictures(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true });
  return entries
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => PICTURE.test(name))
    .sort(compareCodePoints);
}

async function flatFolder(root: string, model: Classes, labelsFile: string): Promise<ValFolder> {
  const lines = (await readLines(labelsFile)).map((line) => line.trim());
  const classOf = classReader(model);
  const pictures = lines.flatMap((line, i) => {
    if (line === '') return [];
    const [, file, label] = PICTURE_AND_CLASS.exec(line) ?? /^(\S+)[\s,]+(.+)$/.exec(line) ?? [];
    const index = label === undefined ? undefined : classOf(label);
    if (index === undefined) {
      throw new UserError(
        `${labelsFile}:${i + 1}: expected "FILE CLASS" with one of ${model.numClasses} classes by index, synset or label, found "${line}"`,
      );
    }
    return [{ file: file.replaceAll('\\', '/'), label: index }];
  });
  return { root, pictures, matched: `${pictures.length} pictures labelled by ${labelsFile}` };
}

function classReader({ numClasses, labels }: Classes): (label: string) => number | undefined {
  const byName = new Map(labels?.map((label, i) => [label, i]));
  if (numClasses === 1000) for (const [i, synset] of imagenetSynsets.entries()) byName.set(synset, i);
  return (label) => {
    const named = byName.get(label);
    if (named !== undefined) return named;
    return /^\d+$/.test(label) && Number(label) < numClasses ? Number(label) : undefined;
  };
}

/** The lines of a text file, without the last line's end. Throws a UserError if it cannot be read. */
export async function readLines(path: string): Promise<string[]> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${path}: cannot be read (${error.code})`);
  });
  return text.replace(/\r?\n$/, '').split(/\r?\n/);
}
