import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import { compareCodePoints } from '../../evaluate/classIndices.js';

/** Endings of the files that torchvision's ImageFolder takes for images (folder.py, IMG_EXTENSIONS). */
export const IMAGE_ENDINGS = [
  '.jpg',
  '.jpeg',
  '.png',
  '.ppm',
  '.bmp',
  '.pgm',
  '.tif',
  '.tiff',
  '.webp',
] as const;

/** Whether a file's name ends as an image's. */
export function isImageName(name: string): boolean {
  const lower = name.toLowerCase();
  return IMAGE_ENDINGS.some((ending) => lower.endsWith(ending));
}

/**
 * Whether a file or folder is an operating system's own: hidden ones (.DS_Store, macOS' ._name beside each file of an
 * archive), and the folder that macOS' zip adds.
 */
function isSystemName(name: string): boolean {
  return name.startsWith('.') || name === '__MACOSX';
}

/** What lies in a folder of class folders. */
export interface FolderContents {
  /** Names of the folders, links to folders among them, in code-point order. */
  readonly folders: readonly string[];
  /** Names of the images that lie beside them. */
  readonly images: readonly string[];
  /** Names of links that lead nowhere. */
  readonly brokenLinks: readonly string[];
}

/** Lists a folder without the operating system's own files. Throws a UserError if it cannot be read. */
export async function listFolder(folder: string): Promise<FolderContents> {
  const folders: string[] = [];
  const images: string[] = [];
  const brokenLinks: string[] = [];
  for (const entry of await entriesOf(folder)) {
    if (isSystemName(entry.name)) continue;
    const kind = await kindOf(folder, entry);
    if (kind === 'folder') folders.push(entry.name);
    else if (kind === 'broken link') brokenLinks.push(entry.name);
    else if (isImageName(entry.name)) images.push(entry.name);
  }
  return {
    folders: folders.sort(compareCodePoints),
    images: images.sort(compareCodePoints),
    brokenLinks: brokenLinks.sort(compareCodePoints),
  };
}

/**
 * Paths of the images below a folder, with forward slashes, in code-point order. Links are followed, as torchvision
 * follows them; a link that leads nowhere and is named as an image is listed, so that reading it names it.
 *
 * @throws UserError if a folder cannot be read, or a link leads to a folder that it lies in
 */
export async function listImages(folder: string): Promise<string[]> {
  const found: string[] = [];
  await walk(folder, '', await realpathOf(folder), new Set(), found);
  return found.sort(compareCodePoints);
}

async function walk(
  root: string,
  below: string,
  real: string,
  around: ReadonlySet<string>,
  found: string[],
): Promise<void> {
  const folder = join(root, below);
  if (around.has(real)) throw new UserError(`${folder}: a link to a folder that it lies in; remove it`);
  const inside = new Set(around).add(real);
  for (const entry of await entriesOf(folder)) {
    if (isSystemName(entry.name)) continue;
    const path = below ? `${below}/${entry.name}` : entry.name;
    if ((await kindOf(folder, entry)) === 'folder') {
      const target = entry.isSymbolicLink() ? await realpathOf(join(root, path)) : join(real, entry.name);
      await walk(root, path, target, inside, found);
    } else if (isImageName(entry.name)) found.push(path);
  }
}

async function kindOf(folder: string, entry: Dirent): Promise<'folder' | 'file' | 'broken link'> {
  if (entry.isDirectory()) return 'folder';
  if (!entry.isSymbolicLink()) return 'file';
  const target = await stat(join(folder, entry.name)).catch(() => undefined);
  if (target === undefined) return 'broken link';
  return target.isDirectory() ? 'folder' : 'file';
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw unreadable(folder, error);
  }
}

async function realpathOf(folder: string): Promise<string> {
  try {
    return await realpath(folder);
  } catch (error) {
    throw unreadable(folder, error);
  }
}

function unreadable(folder: string, error: unknown): UserError {
  const { code } = error as NodeJS.ErrnoException;
  const reason = code === 'EACCES' || code === 'EPERM' ? 'no permission to read it' : code;
  return new UserError(`${folder}: the folder cannot be listed (${reason})`);
}
