import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertRead, factOptions } from '../../converters/convertWithFacts.js';
import { type ReadFolder, type ReadFolderOptions, readFolder } from '../../converters/folders/readFolder.js';
import type { FolderFiles } from '../hub/folderFiles.js';
import { isObject } from '../image/checkPreprocessing.js';
import { openLocalFolder } from './localFolder.js';
import type { OpenedModel } from './openModel.js';

/** A model's folder as other libraries write it, open until its weights have been read. */
export interface OpenFolder extends ReadFolder {
  close(): Promise<void>;
}

const CONFIG = 'config.json';

/** Whether a folder is one of Hugging Face or timm (config.json beside weights), not one that this package converted. */
export function isForeignFolder(path: string): boolean {
  return !existsSync(join(path, 'model.json')) && existsSync(join(path, CONFIG));
}

/**
 * Whether the config.json beside a checkpoint file describes its model. Other programs have files of this name too, this
 * package's training among them.
 */
export async function describesFile(path: string): Promise<boolean> {
  const folder = dirname(path);
  if (!isForeignFolder(folder)) return false;
  const files = await openLocalFolder(folder);
  try {
    const config: unknown = JSON.parse((await files.readText(CONFIG)) ?? '');
    return (
      isObject(config) && [config.model_type, config.architecture].some((name) => typeof name === 'string')
    );
  } catch {
    return false;
  } finally {
    await files.close();
  }
}

/** Opens a folder of Hugging Face or timm on the disk; see readFolder. */
export async function openFolder(path: string, options: ReadFolderOptions = {}): Promise<OpenFolder> {
  const files = await openLocalFolder(path);
  return { ...(await readOrClose(files, options)), close: () => files.close() };
}

async function readOrClose(files: FolderFiles, options: ReadFolderOptions): Promise<ReadFolder> {
  try {
    return await readFolder(files, options);
  } catch (error) {
    await files.close();
    throw error;
  }
}

/**
 * Opens a folder of Hugging Face or timm on the disk as a model; close it when its weights have been read.
 *
 * @param file the weights in it, where they were named; else they are chosen by name
 */
export async function convertFolder(
  path: string,
  options: ConvertOptions = {},
  file?: string,
): Promise<OpenedModel<Conversion>> {
  const files = await openLocalFolder(path);
  return convertFiles(file === undefined ? files : { ...files, chosen: file }, options);
}

/** As convertFolder, of files wherever they are: on the hub too. */
async function convertFiles(
  files: FolderFiles,
  options: ConvertOptions = {},
): Promise<OpenedModel<Conversion>> {
  const read = await readOrClose(files, factOptions(options));
  try {
    return { source: convertRead(read, options), close: () => files.close() };
  } catch (error) {
    await files.close();
    throw error;
  }
}
