import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../errors.js';
import { type Classes, classIndexReader, type LabelledPicture, matchClasses } from '../evaluate/index.js';
import { IMAGE_ENDINGS, listFolder, listImages } from './imageFiles.js';
import { readLabelsFile } from './labelsFile.js';

/** A folder of images with the class of each. */
export interface ValFolder {
  readonly root: string;
  /** In the order of their paths' code points, class folder by class folder. */
  readonly pictures: readonly LabelledPicture[];
  /** How the classes were found, one line. */
  readonly matched: string;
  /** What was left out, a line each. */
  readonly notes: readonly string[];
}

export interface ValFolderOptions {
  /** File with the classes of images that lie in one folder (see readLabelsFile). */
  readonly labelsFile?: string;
  /** The sorted class folders are the model's classes, whatever their names (see matchClasses). */
  readonly byOrder?: boolean;
}

/**
 * Lists the images of a val folder: class folders (an ImageNet val folder), or images in one folder with a labels file.
 *
 * @throws UserError for a folder that is not there or has no images, and for classes that cannot be told
 */
export async function openValFolder(
  root: string,
  model: Classes,
  { labelsFile, byOrder = false }: ValFolderOptions = {},
): Promise<ValFolder> {
  const info = await stat(root).catch(() => undefined);
  if (!info?.isDirectory()) throw new UserError(`${root}: no such folder; give a folder of class folders`);
  const folder =
    labelsFile === undefined
      ? await classFolders(root, model, byOrder)
      : await flatFolder(root, model, labelsFile);
  if (folder.pictures.length > 0) return folder;
  throw new UserError(`${root}: no images in it (looked for ${IMAGE_ENDINGS.join(', ')})`);
}

async function classFolders(root: string, model: Classes, byOrder: boolean): Promise<ValFolder> {
  const { folders, images, brokenLinks } = await listFolder(root);
  if (folders.length === 0) {
    const hint =
      images.length > 0
        ? 'images that lie flat need a file with their classes: --labels FILE'
        : 'it has no class folders';
    throw new UserError(`${root}: ${hint}`);
  }
  const { matched: named, empty } = await leaveOutEmpty(root, folders, model, byOrder);
  const match = within(root, () =>
    matchClasses(
      named.map(({ name }) => name),
      model,
      { byOrder },
    ),
  );
  const pictures = named.flatMap(({ name, files }, i) =>
    files.map((file): LabelledPicture => ({ file: `${name}/${file}`, label: match.indices[i]! })),
  );
  return {
    root,
    pictures,
    matched: `${named.length} class folders matched by ${match.by}`,
    notes: [
      ...brokenLinks.map((name) => `left out: ${join(root, name)}, a link that leads nowhere`),
      ...empty.map((name) => `left out: ${join(root, name)}, a folder without images whose name is no class`),
      ...(images.length > 0
        ? [`left out: ${join(root, images[0]!)}${more(images)}, beside the class folders`]
        : []),
    ],
  };
}

const more = (names: readonly string[]) => (names.length > 1 ? ` and ${names.length - 1} more images` : '');

interface ClassFolder {
  readonly name: string;
  readonly files: readonly string[];
}

/** A folder without images that has no class (of notes, of results) is none of the classes. */
async function leaveOutEmpty(
  root: string,
  folders: readonly string[],
  model: Classes,
  byOrder: boolean,
): Promise<{ matched: ClassFolder[]; empty: string[] }> {
  const matched: ClassFolder[] = [];
  const empty: string[] = [];
  const classOf = classIndexReader(model);
  for (const name of folders) {
    const files = await listImages(join(root, name));
    // Where the order is the class, an empty folder has its place in it.
    if (files.length > 0 || byOrder || classOf(name) !== undefined) matched.push({ name, files });
    else empty.push(name);
  }
  return { matched, empty };
}

function within<T>(root: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${root}: ${error.message}`) : error;
  }
}

async function flatFolder(root: string, model: Classes, labelsFile: string): Promise<ValFolder> {
  const images = await listImages(root);
  const { pictures, form } = await readLabelsFile(labelsFile, images, model);
  const labelled = new Set(pictures.map(({ file }) => file));
  const others = images.filter((image) => !labelled.has(image));
  return {
    root,
    pictures,
    matched: `labelled by ${labelsFile} (${form})`,
    notes:
      others.length > 0
        ? [`left out: ${join(root, others[0]!)}${more(others)}, which ${labelsFile} does not name`]
        : [],
  };
}
