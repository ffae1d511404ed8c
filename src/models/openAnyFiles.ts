import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import { convertRegnet, isRegnet, type RegnetConversion } from '../../converters/convertRegnet.js';
import { factOptions } from '../../converters/convertWithFacts.js';
import { parseJsonObject } from '../../converters/folders/fields.js';
import { openWeights } from '../../converters/folders/readFolder.js';
import { isTimmRegnet, timmRegnetFacts } from '../../converters/folders/timmRegnet.js';
import type { FolderFiles } from '../hub/folderFiles.js';
import type { FamilySource } from './familySource.js';
import { convertFiles, openFiles } from './openFiles.js';

const CONFIG = 'config.json';

/**
 * As convertFiles, of a model of any family: a RegNet by timm's config.json, or by its tensors where nothing describes
 * them.
 */
export async function convertAnyFiles(
  files: FolderFiles,
  options: ConvertOptions = {},
): Promise<Conversion | RegnetConversion> {
  const text = await files.readText(CONFIG);
  if (text === undefined) {
    const checkpoint = await openWeights(files);
    return isRegnet(checkpoint) ? convertRegnet(checkpoint) : convertFiles(files, options);
  }
  const config = parseJsonObject(text, CONFIG);
  if (!isTimmRegnet(config)) return convertFiles(files, options);
  const { skipPreprocessing } = factOptions(options);
  return convertRegnet(await openWeights(files), timmRegnetFacts(config, CONFIG, skipPreprocessing));
}

/** As openFiles, of a model of any family. */
export async function openAnyFiles(files: FolderFiles, options: ConvertOptions = {}): Promise<FamilySource> {
  const isConverted = (await files.list()).includes('model.json');
  return isConverted ? openFiles(files, options) : convertAnyFiles(files, options);
}
