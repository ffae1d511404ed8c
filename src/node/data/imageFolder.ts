/** Folders of labelled images: class folders, or images in one folder with a labels file. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { type Classes, classIndexReader, matchClasses } from '../../evaluate/classIndices.js';
import { type FileDataset, fileDataset } from './fileDataset.js';
import { IMAGE_ENDINGS, listFolder, listImages, passedOverNote } from './imageFiles.js';
import { readLabelsFile } from './labelsFile.js';

/** A folder of labelled images, as a model's classes are found in it. */
export interface ImageFolder extends FileDataset {
  /** How the classes were found, one line. */
  readonly matched: string;
  /** What was left out, a line each. */
  readonly notes: readonly string[];
}

export interface ImageFolderOptions {
  /** File with the classes of images in one folder (see readLabelsFile). */
  readonly labelsFile?: string;
  /** The sorted class folders are the model's classes, whatever their names (see matchClasses). */
  readonly byOrder?: boolean;
}

/** A class folder; its files are paths below it, in code-point order. */
interface ClassFolder {
  readonly name: string;
  readonly files: readonly string[];
}

/** What a folder of class folders holds, each list in code-point order. */
interface ClassFolders {
  readonly folders: readonly ClassFolder[];
  /** Names of images beside the class folders. */
  readonly images: readonly string[];
  /** Paths in class folders of files that are images and passed over. */
  readonly passedOver: readonly string[];
  /** Names of links that lead nowhere. */
  readonly brokenLinks: readonly string[];
}

/** Throws a UserError that names a folder of images which is not there, or is none. */
export async function requireFolder(root: string): Promise<void> {
  const info = await stat(root).catch(() => undefined);
  if (info?.isDirectory()) return;
  throw new UserError(
    `${root}: ${info ? 'is no folder' : 'no such folder'}; expected a folder of class folders`,
  );
}

const NO_CLASSES = 'has no class folders; expected one folder a class';

/**
 * Lists class folders, those without images too.
 *
 * @param flat what to say of a folder that has images but no class folders
 * @throws UserError if there are no class folders
 */
async function listClassFolders(root: string, flat = NO_CLASSES): Promise<ClassFolders> {
  await requireFolder(root);
  const { folders, images, brokenLinks } = await listFolder(root);
  if (folders.length === 0) throw new UserError(`${root}: ${images.length > 0 ? flat : NO_CLASSES}`);
  const listed: ClassFolder[] = [];
  const passedOver: string[] = [];
  for (const name of folders) {
    const inside = await listImages(join(root, name));
    listed.push({ name, files: inside.images });
    passedOver.push(...inside.passedOver.map((file) => `${name}/${file}`));
  }
  return { folders: listed, images, brokenLinks, passedOver };
}

/** @param labels class index of each folder; its place by default */
function datasetOf(
  root: string,
  folders: readonly ClassFolder[],
  classNames: readonly string[],
  labels: readonly number[] = [...folders.keys()],
): FileDataset {
  const files = folders.flatMap(({ name, files }) => files.map((file) => `${name}/${file}`));
  if (files.length === 0) {
    throw new UserError(`${root}: no images in it (looked for ${IMAGE_ENDINGS.join(', ')})`);
  }
  const each = folders.flatMap(({ files }, i) => files.map(() => labels[i]!));
  return fileDataset(root, files, each, classNames);
}

/**
 * Class folders as torchvision's ImageFolder takes them: each is a class.
 *
 * @throws UserError for a class without images, and for a link that leads nowhere
 */
export async function openTrainFolder(root: string): Promise<FileDataset> {
  const { folders, brokenLinks } = await listClassFolders(root);
  if (brokenLinks.length > 0) {
    throw new UserError(`${join(root, brokenLinks[0]!)}: a link that leads nowhere; mend or remove it`);
  }
  const empty = folders.find(({ files }) => files.length === 0);
  if (empty) {
    throw new UserError(`${join(root, empty.name)}: a class without images; add some or remove the folder`);
  }
  return datasetOf(root, folders, namesOf(folders));
}

/** Class folders of which those without images (of notes, of results) are no classes. */
export async function openClassFolders(root: string): Promise<FileDataset> {
  const { folders } = await listClassFolders(root);
  const classes = folders.filter(({ files }) => files.length > 0);
  return datasetOf(root, classes, namesOf(classes));
}

const namesOf = (folders: readonly ClassFolder[]) => folders.map(({ name }) => name);

/**
 * The images of a folder with a model's classes: class folders (an ImageNet val folder), or images in one folder with a
 * labels file.
 *
 * @throws UserError for a folder that is not there or has no images, and for classes that cannot be told
 */
export async function openImageFolder(
  root: string,
  model: Classes,
  { labelsFile, byOrder = false }: ImageFolderOptions = {},
): Promise<ImageFolder> {
  const classNames = model.labels ?? Array.from({ length: model.numClasses }, (_, i) => String(i));
  if (labelsFile !== undefined) return openFlatFolder(root, model, labelsFile, classNames);
  const flat = 'images in a flat folder need a file with their classes: --labels FILE';
  const { folders, images, brokenLinks, passedOver } = await listClassFolders(root, flat);
  const classOf = classIndexReader(model);
  // Where the order is the class, an empty folder has its place in it.
  const isClass = ({ name, files }: ClassFolder) =>
    files.length > 0 || byOrder || classOf(name) !== undefined;
  const classes = folders.filter(isClass);
  const empty = folders.filter((folder) => !isClass(folder));
  const match = within(root, () => matchClasses(namesOf(classes), model, { byOrder }));
  return {
    ...datasetOf(root, classes, classNames, match.indices),
    matched: `${classes.length} class folders matched by ${match.by}`,
    notes: [
      ...brokenLinks.map((name) => `left out: ${join(root, name)}, a link that leads nowhere`),
      ...empty.map(
        ({ name }) => `left out: ${join(root, name)}, a folder without images whose name is no class`,
      ),
      ...(images.length > 0
        ? [`left out: ${join(root, images[0]!)}${more(images)}, beside the class folders`]
        : []),
      ...passedOverNote(root, passedOver),
    ],
  };
}

const more = (names: readonly string[]) => (names.length > 1 ? ` and ${names.length - 1} more images` : '');

function within<T>(root: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${root}: ${error.message}`) : error;
  }
}

async function openFlatFolder(
  root: string,
  model: Classes,
  labelsFile: string,
  classNames: readonly string[],
): Promise<ImageFolder> {
  await requireFolder(root);
  const { images: all, passedOver } = await listImages(root);
  if (all.length === 0) {
    throw new UserError(`${root}: no images in it (looked for ${IMAGE_ENDINGS.join(', ')})`);
  }
  const { images, form } = await readLabelsFile(labelsFile, all, model);
  const files = images.map(({ file }) => file);
  const labelled = new Set(files);
  const others = all.filter((file) => !labelled.has(file));
  return {
    ...fileDataset(
      root,
      files,
      images.map(({ label }) => label),
      classNames,
    ),
    matched: `labelled by ${labelsFile} (${form})`,
    notes: [
      ...(others.length > 0
        ? [`left out: ${join(root, others[0]!)}${more(others)}, which ${labelsFile} does not name`]
        : []),
      ...passedOverNote(root, passedOver),
    ],
  };
}
