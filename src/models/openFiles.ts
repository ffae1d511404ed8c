import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertRead, factOptions } from '../../converters/convertWithFacts.js';
import { readFolder } from '../../converters/folders/readFolder.js';
import { UserError } from '../errors.js';
import type { FolderFiles } from '../hub/folderFiles.js';
import { openLayersModelFolder, refuseConversion, type StoredModel } from './layersModelFolder.js';

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
