import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Conversion, type ConvertOptions, convert } from '../../converters/convert.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { metadataFacts } from '../../converters/metadataFacts.js';
import { withAssumptions } from '../../converters/withAssumptions.js';
import { UserError } from '../errors.js';
import { openUrl } from '../models/load.js';
import { openSavedModel, type SavedModel } from '../models/savedModel.js';
import { openFileSource } from './fileSource.js';
import { checkHashInName } from './hash.js';
import { describesFile, isForeignFolder, openFolder } from './openFolder.js';

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
  const read = (path: string) => readModelFile(folder, path);
  return { source: await openSavedModel({ name: model, read }), close: nothingToClose };
}

/** Opens and maps a folder of Hugging Face or timm. */
async function convertFolder(
  path: string,
  options: ConvertOptions,
  file?: string,
): Promise<OpenedModel<Conversion>> {
  const folder = await openFolder(path, readOptions(options), file);
  try {
    const { checkpoint, facts, assumptions } = folder;
    const source = withAssumptions(
      convert(checkpoint, { ...options, facts: options.facts ?? facts }),
      assumptions,
    );
    return { source, close: () => folder.close() };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

function readOptions({ model, imgSize, preprocessing }: ConvertOptions) {
  const named = model === undefined || model === 'auto' ? undefined : model;
  return { model: named, imgSize, skipPreprocessing: preprocessing?.preset !== undefined };
}

/** Opens and maps a checkpoint file; the SHA-256 prefix in its name is checked first. */
export async function openCheckpoint(
  path: string,
  options: ConvertOptions = {},
): Promise<OpenedModel<Conversion>> {
  if (await describesFile(path)) return convertFolder(dirname(path), options, basename(path));
  const file = await openFileSource(path);
  try {
    await checkHashInName(path);
    const checkpoint = await parseCheckpoint(file);
    const facts = options.facts ?? (await metadataFacts(checkpoint, readOptions(options)));
    return { source: convert(checkpoint, { ...options, facts }), close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readModelFile(folder: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(join(folder, path));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const hint =
      path === 'model.json' ? 'give a folder made by deit-convert' : 'convert the checkpoint again';
    throw new UserError(
      `${join(folder, path)}: ${code === 'ENOENT' ? 'is missing' : `cannot be read (${code})`}; ${hint}`,
    );
  }
}
