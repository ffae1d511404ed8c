import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertRead, factOptions } from '../../converters/convertWithFacts.js';
import { folderPaths, readFolder } from '../../converters/folders/readFolder.js';
import { UserError } from '../errors.js';
import type { FolderFiles } from '../hub/folderFiles.js';
import {
  CONVERSION_FILE,
  openLayersModelFolder,
  refuseConversion,
  type StoredModel,
  weightPaths,
} from './layersModelFolder.js';

/**
 * Opens a model by its files, wherever they are: a converted folder, or one of Hugging Face or timm. The files stay open,
 * as they are the caller's to close: after the weights have been read, or after an error.
 */
export async function openFiles(
  files: FolderFiles,
  options: ConvertOptions = {},
): Promise<StoredModel | Conversion> {
  if (!(await files.list()).includes('model.json')) return convertFiles(files, options);
  refuseConversion(files.name, options);
  return openConverted(files);
}

/** As openFiles, of a folder of Hugging Face or timm. */
export async function convertFiles(files: FolderFiles, options: ConvertOptions = {}): Promise<Conversion> {
  return convertRead(await readFolder(files, factOptions(options)), options);
}

/**
 * Paths of the files that openFiles and the model that it gives read, of all that a folder has.
 *
 * @throws UserError if the folder holds no model
 */
export async function modelPaths(files: FolderFiles): Promise<readonly string[]> {
  const names = await files.list();
  if (!names.includes('model.json')) return folderPaths(files);
  const source = await files.open('model.json');
  const weights = weightPaths(new Uint8Array(await source.read(0, source.size)), files.name);
  return ['model.json', ...(names.includes(CONVERSION_FILE) ? [CONVERSION_FILE] : []), ...weights];
}

async function openConverted(files: FolderFiles): Promise<StoredModel> {
  const names = await files.list();
  const read = async (path: string, maxBytes: number) => {
    const source = await files.open(path);
    if (source.size <= maxBytes) return new Uint8Array(await source.read(0, source.size));
    throw new UserError(`${source.name}: has ${source.size} bytes, at most ${maxBytes} are expected`);
  };
  const readIfThere = async (path: string, maxBytes: number) =>
    names.includes(path) ? read(path, maxBytes) : undefined;
  return openLayersModelFolder({ name: files.name, read, readIfThere });
}
