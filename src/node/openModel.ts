import { open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertWithFacts } from '../../converters/convertWithFacts.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { UserError } from '../errors.js';
import { openUrl } from '../models/load.js';
import { openSavedModel, type SavedModel } from '../models/savedModel.js';
import { openFileSource } from './fileSource.js';
import { checkHashInName } from './hash.js';
import { convertFolder, describesFile, isForeignFolder } from './openFolder.js';

/** A model to be loaded; close it when its weights have been read. */
export interface OpenedModel<Source = SavedModel | Conversion> {
  readonly source: Source;
  close(): Promise<void>;
}

const nothingToClose = async () => {};

/**
 * Opens a model by whatever names it: a converted folder or its model.json, an http(s) URL of one, a folder of
 * Hugging Face or timm, or a checkpoint file (.pth, .safetensors …), which is mapped in memory.
 */
export async function openModel(model: string, options: ConvertOptions = {}): Promise<OpenedModel> {
  if (/^https?:\/\//.test(model)) return { source: await openUrl(model), close: nothingToClose };
  const info = await stat(model).catch(() => {
    throw new UserError(
      `${model}: no such file or folder; give a folder made by deit-convert, its URL, or a checkpoint file`,
    );
  });
  const folder = info.isDirectory() ? model : model.endsWith('model.json') ? dirname(model) : undefined;
  if (folder === undefined) return openCheckpoint(model, options);
  if (isForeignFolder(folder)) return convertFolder(folder, options);
  const read = (path: string, maxBytes: number) => readModelFile(folder, path, maxBytes);
  const size = async (path: string) => (await fileInfo(folder, path)).size;
  return { source: await openSavedModel({ name: model, read, size }), close: nothingToClose };
}

/**
 * Opens and maps a checkpoint file, or a folder of Hugging Face or timm; the SHA-256 prefix in a file's name is checked
 * first.
 */
export async function openCheckpoint(
  path: string,
  options: ConvertOptions = {},
): Promise<OpenedModel<Conversion>> {
  if (isForeignFolder(path)) return convertFolder(path, options);
  if (await describesFile(path)) return convertFolder(dirname(path), options, basename(path));
  const file = await openFileSource(path);
  try {
    await checkHashInName(path);
    const source = await convertWithFacts(await parseCheckpoint(file), options);
    return { source, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The bytes of a file of a converted folder. */
async function readModelFile(folder: string, path: string, maxBytes: number): Promise<Uint8Array> {
  const { size } = await fileInfo(folder, path);
  if (size > maxBytes) {
    throw new UserError(
      `${join(folder, path)}: has ${size} bytes, at most ${maxBytes} are expected; ${remedy(path)}`,
    );
  }
  return readWhole(join(folder, path)).catch((error) => {
    throw unreadable(folder, path, error);
  });
}

/** What is no regular file is refused before it is opened: a pipe waits for a writer, a device may never end. */
async function fileInfo(folder: string, path: string): Promise<{ size: number }> {
  const info = await stat(join(folder, path)).catch((error) => {
    throw unreadable(folder, path, error);
  });
  if (!info.isFile()) throw new UserError(`${join(folder, path)}: is not a regular file; ${remedy(path)}`);
  return info;
}

function unreadable(folder: string, path: string, error: NodeJS.ErrnoException): UserError {
  const what = error.code === 'ENOENT' ? 'is missing' : `cannot be read (${error.code})`;
  return new UserError(`${join(folder, path)}: ${what}; ${remedy(path)}`);
}

function remedy(path: string): string {
  return path === 'model.json' ? 'give a folder made by deit-convert' : 'convert the checkpoint again';
}

/** As readFile, but no more than the file says that it has: one that grows, or a file of /proc, may not end. */
async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const bytes = new Uint8Array(size);
    let done = 0;
    while (done < size) {
      const { bytesRead } = await file.read(bytes, done, size - done, done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return bytes.subarray(0, done);
  } finally {
    await file.close();
  }
}
