import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type ReadFolder, type ReadFolderOptions, readFolder } from '../../converters/folders/readFolder.js';
import { openLocalFolder } from './localFolder.js';

/** A model's folder as other libraries write it, open until its weights have been read. */
export interface OpenFolder extends ReadFolder {
  close(): Promise<void>;
}

/** Whether a folder is one of Hugging Face or timm (config.json beside weights), not one that this package converted. */
export function isForeignFolder(path: string): boolean {
  return !existsSync(join(path, 'model.json')) && existsSync(join(path, 'config.json'));
}

/** Opens a folder of Hugging Face or timm on the disk; see readFolder. */
export async function openFolder(path: string, options: ReadFolderOptions = {}): Promise<OpenFolder> {
  const files = await openLocalFolder(path);
  try {
    return { ...(await readFolder(files, options)), close: () => files.close() };
  } catch (error) {
    await files.close();
    throw error;
  }
}
