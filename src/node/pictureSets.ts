import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { UserError } from '../errors.js';
import { describeOther, pictureFormat, SIGNATURE_BYTES } from '../image/pictureFormat.js';
import { cifar10Set, type LevelSet, limited, mnistSet, type NamedBytes } from '../train/data/levelSets.js';
import type { DataConfig, PictureSet } from '../train/data/types.js';
import { decodeImage } from './decode.js';
import { listFolder, listImages } from './imageFiles.js';

/** A set whose pictures are files of their own. */
export interface FileSet extends PictureSet {
  readonly files: readonly string[];
}

/**
 * Opens the pictures that a training configuration names. What can be told without decoding is checked: that the
 * files are there, whole and belong together, that every class has pictures and every picture begins as one.
 *
 * @throws UserError that names the file or folder
 */
export async function openPictureSet(config: DataConfig): Promise<FileSet | LevelSet> {
  const info = await stat(config.path).catch(() => undefined);
  if (!info?.isDirectory())
    throw new UserError(`${config.path}: no such folder; give the folder of the data`);
  if (config.format === 'folder') return limited(await openFolder(config.path, config.limit), config.limit);
  const open = config.format === 'mnist' ? openMnist : openCifar10;
  return limited(await open(config.path, config.split), config.limit);
}

async function openMnist(folder: string, split: DataConfig['split']): Promise<LevelSet> {
  const prefix = split === 'train' ? 'train' : 't10k';
  const images = await firstOf(folder, idxNames(`${prefix}-images`, 3));
  const labels = await firstOf(folder, idxNames(`${prefix}-labels`, 1));
  return mnistSet(images, labels);
}

/** The names under which the files are in circulation. */
function idxNames(stem: string, axes: number): string[] {
  const names = [`${stem}-idx${axes}-ubyte`, `${stem}.idx${axes}-ubyte`];
  return names.flatMap((name) => [name, `${name}.gz`]);
}

async function openCifar10(path: string, split: DataConfig['split']): Promise<LevelSet> {
  const inner = join(path, 'cifar-10-batches-bin');
  const folder = (await exists(inner)) ? inner : path;
  const parts = split === 'train' ? [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`) : ['test_batch.bin'];
  const files = [];
  for (const name of parts) files.push(await firstOf(folder, [name]));
  const meta = 'batches.meta.txt';
  const names = (await exists(join(folder, meta))) ? await firstOf(folder, [meta]) : undefined;
  return { ...cifar10Set(files, names), name: folder };
}

async function firstOf(folder: string, names: readonly string[]): Promise<NamedBytes> {
  for (const name of names.map((name) => join(folder, name))) {
    if (!(await exists(name))) continue;
    const bytes = await readFile(name).catch((error: NodeJS.ErrnoException) => {
      throw new UserError(`${name}: cannot be read (${error.code})`);
    });
    return { name, bytes: new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length) };
  }
  const others = names.length > 1 ? `, under that name or ${names.slice(1).join(', ')}` : '';
  throw new UserError(`${join(folder, names[0])}: no such file${others}`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Class folders, in the order of their names' code points, as torchvision's ImageFolder takes them. */
async function openFolder(root: string, limit: number | null): Promise<FileSet> {
  const { folders: classNames, brokenLinks } = await listFolder(root);
  if (brokenLinks.length > 0) {
    throw new UserError(`${join(root, brokenLinks[0]!)}: a link that leads nowhere; mend or remove it`);
  }
  if (classNames.length === 0)
    throw new UserError(`${root}: has no class folders; expected one folder a class`);
  const files: string[] = [];
  const labels: number[] = [];
  for (const [label, name] of classNames.entries()) {
    const pictures = await listImages(join(root, name));
    if (pictures.length === 0) {
      throw new UserError(`${join(root, name)}: a class without pictures; add some or remove the folder`);
    }
    for (const picture of pictures) {
      files.push(join(root, name, picture));
      labels.push(label);
    }
  }
  await requirePictures(limit === null ? files : files.slice(0, limit));
  return {
    name: root,
    length: files.length,
    classNames,
    labels: Int32Array.from(labels),
    files,
    describe: (index) => files[index],
    read: (index) => decodeImage(files[index]),
    close: async () => {},
  };
}

/** Names of bad files that an error lists. */
const LISTED = 3;

/** Files that are looked at before other work (a Ctrl-C, a progress bar) has its turn. */
const AT_A_TIME = 500;

/**
 * Looks at every file's first bytes: a training run should not end after hours at an empty file. Synchronous calls take
 * half the time of asynchronous ones here: they make no round trips through the thread pool for each of a million files.
 */
async function requirePictures(files: readonly string[]): Promise<void> {
  const bad: string[] = [];
  const head = new Uint8Array(SIGNATURE_BYTES);
  for (const [i, path] of files.entries()) {
    if (i % AT_A_TIME === 0) await nextTurn();
    const problem = whyNoPicture(path, head);
    if (problem) bad.push(`${path}: ${problem}`);
  }
  if (bad.length === 0) return;
  const more = bad.length > LISTED ? ` (and ${bad.length - LISTED} more)` : '';
  throw new UserError(`${bad.slice(0, LISTED).join('; ')}${more}; mend or remove them`);
}

function whyNoPicture(path: string, head: Uint8Array): string | undefined {
  try {
    // Opening a pipe would wait for a writer otherwise.
    const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      if (!fstatSync(file).isFile()) return 'is no regular file';
      const found = head.subarray(0, readSync(file, head, 0, SIGNATURE_BYTES, 0));
      return pictureFormat(found) ? undefined : `no picture that can be read, but ${describeOther(found)}`;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}
