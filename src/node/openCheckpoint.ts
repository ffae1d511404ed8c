/** Opens models that are not converted yet: checkpoint files, folders of Hugging Face and timm, names on the hub. */

import { basename, dirname } from 'node:path';
import type { Conversion, ConvertOptions } from '../../converters/convert.js';
import type { RegnetConversion } from '../../converters/convertRegnet.js';
import { bytesSource, parseCheckpoint } from '../../converters/formats/index.js';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { convertAny } from '../models/families.js';
import type { FamilySource } from '../models/familySource.js';
import { convertAnyFiles, openAnyFiles } from '../models/openAnyFiles.js';
import { openFileSource } from './fileSource.js';
import { isForeignFolder } from './foreignFolder.js';
import { checkHashInName } from './hash.js';
import { isOnHub } from './hub/environment.js';
import { openHub } from './hub/openHub.js';
import { nothingToClose, type OpenedModel, onlyVit, openedFrom } from './openedModel.js';
import { convertFolder, describesFile } from './openFolder.js';
import type { HubSettings } from './openModel.js';

export { convertFolder } from './openFolder.js';

/** A model on the hub: a converted folder, or one of Hugging Face or timm. */
export async function openHubModel(
  name: string,
  options: ConvertOptions,
  hub: HubSettings,
): Promise<OpenedModel<FamilySource>> {
  const files = await openHub(name, { onNotice: console.error, ...hub });
  return openedFrom(files, () => openAnyFiles(files, options));
}

/** The bytes of a checkpoint. `name` says where they come from, for errors. */
export async function openBytes(
  bytes: Uint8Array,
  name: string,
  options: ConvertOptions,
): Promise<OpenedModel<Conversion | RegnetConversion>> {
  const source = await convertAny(await parseCheckpoint(bytesSource(bytes, name)), options);
  return { source, close: nothingToClose };
}

/**
 * Opens and maps a checkpoint file, a folder of Hugging Face or timm, or one on the hub; the SHA-256 prefix in a file's
 * name is checked first.
 */
export async function openAnyCheckpoint(
  path: string,
  options: ConvertOptions = {},
  hub: HubSettings = {},
): Promise<OpenedModel<Conversion | RegnetConversion>> {
  if (isOnHub(path)) return openHubCheckpoint(path, options, hub);
  if (isForeignFolder(path)) return convertFolder(path, options);
  if (await describesFile(path)) return convertFolder(dirname(path), options, basename(path));
  const file = await openFileSource(path);
  try {
    await checkHashInName(path);
    const source = await convertAny(await parseCheckpoint(file), options);
    return { source, close: () => file.close() };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** As openAnyCheckpoint; a model that is no vision transformer is a UserError. */
export async function openCheckpoint(
  path: string,
  options: ConvertOptions = {},
  hub: HubSettings = {},
): Promise<OpenedModel<Conversion>> {
  checkArguments('openCheckpoint', { path: ['path', path] });
  return onlyVit(await openAnyCheckpoint(path, options, hub), path);
}

/** The weights of a model on the hub that is not converted yet. */
async function openHubCheckpoint(
  name: string,
  options: ConvertOptions,
  hub: HubSettings,
): Promise<OpenedModel<Conversion | RegnetConversion>> {
  const files = await openHub(name, { onNotice: console.error, ...hub });
  return openedFrom(files, async () => {
    if (!(await files.list()).includes('model.json')) return convertAnyFiles(files, options);
    throw new UserError(
      `${name}: is converted already; deit download ${name} --out FOLDER takes it as it is`,
    );
  });
}
