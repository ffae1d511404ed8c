import { dirname } from 'node:path';
import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import type { RegnetConversion } from '../../converters/convertRegnet.js';
import { parametersOfObject } from '../../converters/metadata/modelParameters.js';
import { isObject } from '../image/checkPreprocessing.js';
import { convertAnyFiles } from '../models/openAnyFiles.js';
import { CONFIG, isDescribed } from './foreignFolder.js';
import { openLocalFolder } from './localFolder.js';
import { type OpenedModel, openedFrom } from './openedModel.js';

/**
 * Whether the config.json beside a checkpoint file describes its model. Other programs have files of this name too, this
 * package's training among them.
 */
export async function describesFile(path: string): Promise<boolean> {
  const folder = dirname(path);
  if (!isDescribed(folder)) return false;
  const files = await openLocalFolder(folder);
  try {
    const text = await files.readText(CONFIG);
    // open_clip's has one name alone.
    if (text === undefined) return true;
    const config: unknown = JSON.parse(text);
    if (!isObject(config)) return false;
    const named = [config.model_type, config.architecture].some((name) => typeof name === 'string');
    return named || Object.keys(parametersOfObject(config, CONFIG)).length > 0;
  } catch {
    return false;
  } finally {
    await files.close();
  }
}

/**
 * Opens a folder of Hugging Face or timm, or of weights alone, on the disk as a model; close it when its weights have been read.
 *
 * @param file the weights in it, where they were named; else they are chosen by name
 */
export async function convertFolder(
  path: string,
  options: ConvertOptions = {},
  file?: string,
): Promise<OpenedModel<Conversion | RegnetConversion>> {
  const files = await openLocalFolder(path);
  const chosen = file === undefined ? files : { ...files, chosen: file };
  return openedFrom(files, () => convertAnyFiles(chosen, options));
}
