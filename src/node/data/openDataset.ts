import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { access, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DataConfig } from '../../data/config.js';
import { type Dataset, limited } from '../../data/dataset.js';
import { DATA_FORMATS, type DataFolder } from '../../data/formats.js';
import { UserError } from '../../errors.js';
import { describeOther, imageFormat, SIGNATURE_BYTES } from '../../image/imageFormat.js';
import { openTrainFolder } from './imageFolder.js';

/**
 * Opens the images that a training configuration names. What can be told without decoding is checked: that the files
 * are there, whole and belong together, that every class has images and every file begins as one.
 *
 * @throws UserError that names the file or folder
 */
export async function openDataset({ format, path, split, limit }: DataConfig): Promise<Dataset> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isDirectory()) throw new UserError(`${path}: no such folder; give the folder of the data`);
  return limited(await DATA_FORMATS[format].open(dataFolder(path), split, limit), limit);
}

function dataFolder(path: string): DataFolder {
  return {
    path,
    has: (name) => exists(join(path, name)),
    readFirst: async (...names) => {
      for (const name of names.map((name) => join(path, name))) {
        if (await exists(name)) return { name, bytes: await readWhole(name) };
      }
      const others = names.length > 1 ? `, under that name or ${names.slice(1).join(', ')}` : '';
      throw new UserError(`${join(path, names[0]!)}: no such file${others}`);
    },
    inner: (name) => dataFolder(join(path, name)),
    imageFolder: async (limit) => {
      const dataset = await openTrainFolder(path);
      const used = dataset.files.slice(0, limit ?? dataset.length);
      await requireImages(used.map((file) => join(path, file)));
      return dataset;
    },
  };
}

async function readWhole(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${path}: cannot be read (${error.code})`);
  });
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Names of bad files that an error lists. */
const LISTED = 3;

/** Files that are looked at before other work (a Ctrl-C, a progress bar) has its turn. */
const AT_A_TIME = 500;

/**
 * Looks at every file's first bytes: a training run should not end after hours at an empty file. Synchronous calls take
 * half the time of asynchronous ones here: they make no round trips through the thread pool for each of a million files.
 */
async function requireImages(files: readonly string[]): Promise<void> {
  const bad: string[] = [];
  const head = new Uint8Array(SIGNATURE_BYTES);
  for (const [i, path] of files.entries()) {
    if (i % AT_A_TIME === 0) await nextTurn();
    const problem = whyNoImage(path, head);
    if (problem) bad.push(`${path}: ${problem}`);
  }
  if (bad.length === 0) return;
  const more = bad.length > LISTED ? ` (and ${bad.length - LISTED} more)` : '';
  throw new UserError(`${bad.slice(0, LISTED).join('; ')}${more}; mend or remove them`);
}

function whyNoImage(path: string, head: Uint8Array): string | undefined {
  try {
    // Opening a pipe would wait for a writer otherwise.
    const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      if (!fstatSync(file).isFile()) return 'is no regular file';
      const found = head.subarray(0, readSync(file, head, 0, SIGNATURE_BYTES, 0));
      return imageFormat(found) ? undefined : `no image that can be read, but ${describeOther(found)}`;
    } finally {
      closeSync(file);
    }
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code})`;
  }
}
