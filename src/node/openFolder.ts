import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ReadFolder, type ReadFolderOptions, readFolder } from '../../converters/folders/readFolder.js';
import { isObject } from '../image/checkPreprocessing.js';
import { openLocalFolder } from './localFolder.js';

/** A model's folder as other libraries write it, open until its weights have been read. */
export interface OpenFolder extends ReadFolder {
  close(): Promise<void>;
}

/** Whether a folder is one of Hugging Face or timm (config.json beside weights), not one that this package converted. */
export function isForeignFolder(path: string): boolean {
  return !existsSync(join(path, 'model.json')) && existsSync(join(path, 'config.json'));
}

/**
 * Whether the config.json beside a checkpoint file describes its model. Other programs have files of this name too, this
 * package's training among them.
 */
export async function describesFile(path: string): Promise<boolean> {
  const folder = dirname(path);
  if (!isForeignFolder(folder)) return false;
  const text = await readFile(join(folder, 'config.json'), 'utf8').catch(() => '');
  try {
    const config: unknown = JSON.parse(text);
    return (
      isObject(config) && (typeof config.model_type === 'string' || typeof config.architecture === 'string')
    );
  } catch {
    return false;
  }
}

/**
 * Opens a folder of Hugging Face or timm on the disk; see readFolder.
 *
 * @param file the weights in it, where they were named; else they are chosen by name
 */
export async function openFolder(
  path: string,
  options: ReadFolderOptions = {},
  file?: string,
): Promise<OpenFolder> {
  const files = await openLocalFolder(path);
  try {
    const read = await readFolder(file === undefined ? files : { ...files, chosen: file }, options);
    return { ...read, close: () => files.close() };
  } catch (error) {
    await files.close();
    throw error;
  }
}
