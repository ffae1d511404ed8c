import { existsSync } from 'node:fs';
import { open, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { ConvertOptions } from '../../converters/convert.js';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { addressKind } from '../models/address.js';
import type { FamilySource } from '../models/familySource.js';
import { fetchFile } from '../models/fetchFile.js';
import { openLayersModelFolder, refuseConversion } from '../models/layersModelFolder.js';
import { openUrl } from '../models/loadSource.js';
import { CONFIG, isForeignFolder } from './foreignFolder.js';
import { isOnHub } from './hub/environment.js';
import type { NodeHubOptions } from './hub/openHub.js';
import { nothingToClose, type OpenedModel, onlyVit } from './openedModel.js';

/** How a name on the hub is opened. */
export type HubSettings = Omit<NodeHubOptions, 'folder'>;

/** Node reads at most 2 GiB at once. */
const MAX_READ = 2 ** 30;

/**
 * Opens a model by whatever names it: a converted folder or its model.json, a folder of Hugging Face or timm, a checkpoint
 * file (.pth, .safetensors …), which is mapped in memory, an http(s) URL of a converted folder or of a checkpoint, or a
 * name on the hub, `hf:OWNER/NAME[@REVISION][/FILE]`.
 */
export async function openAnyModel(
  model: string,
  options: ConvertOptions = {},
  hub: HubSettings = {},
): Promise<OpenedModel<FamilySource>> {
  if (isOnHub(model)) return (await unconverted()).openHubModel(model, options, hub);
  if (/^https?:\/\//.test(model)) return openAddress(model, options);
  const info = await stat(model).catch(async () => {
    const { insteadOf } = await import('../../converters/findEntry.js');
    throw new UserError(`${model}: no such file or folder; ${insteadOf(model)}`);
  });
  const folder = info.isDirectory() ? model : model.endsWith('model.json') ? dirname(model) : undefined;
  if (folder === undefined) return (await unconverted()).openAnyCheckpoint(model, options);
  if (isForeignFolder(folder)) return (await unconverted()).convertFolder(folder, options);
  const read = (path: string, maxBytes: number) => readModelFile(folder, path, maxBytes);
  const size = async (path: string) => (await fileInfo(folder, path)).size;
  const readIfThere = (path: string, maxBytes: number) =>
    existsSync(join(folder, path)) ? read(path, maxBytes) : Promise.resolve(undefined);
  const readInto = (path: string, position: number, target: Uint8Array) =>
    readPart(join(folder, path), position, target)
      .then((count) => count === target.length)
      .catch((error) => {
        throw unreadable(folder, path, error);
      });
  const source = await openLayersModelFolder({ name: model, read, size, readIfThere, readInto });
  refuseConversion(model, options);
  return { source, close: nothingToClose };
}

/** As openAnyModel; a model that is no vision transformer is a UserError. */
export async function openModel(
  model: string,
  options: ConvertOptions = {},
  hub: HubSettings = {},
): Promise<OpenedModel> {
  checkArguments('openModel', { model: ['path', model] });
  return onlyVit(await openAnyModel(model, options, hub), model);
}

/** What opens models that are not converted yet: a converted folder, which is opened the most, needs nothing of it. */
function unconverted(): Promise<typeof import('./openCheckpoint.js')> {
  return import('./openCheckpoint.js');
}

/** A converted folder or a checkpoint behind an http(s) address. */
async function openAddress(url: string, options: ConvertOptions): Promise<OpenedModel<FamilySource>> {
  if (addressKind(url) !== 'checkpoint') {
    const source = await openUrl(url);
    refuseConversion(url, options);
    return { source, close: nothingToClose };
  }
  const { openBytes } = await unconverted();
  return openBytes(await fetchFile(url), url, options);
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
  const info = await stat(join(folder, path)).catch(async (error) => {
    throw path === 'model.json' && error.code === 'ENOENT'
      ? await noModelIn(folder)
      : unreadable(folder, path, error);
  });
  if (!info.isFile()) throw new UserError(`${join(folder, path)}: is not a regular file; ${remedy(path)}`);
  return info;
}

/** What a folder has that is neither converted nor one of weights. */
async function noModelIn(folder: string): Promise<UserError> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const below = entries
    .filter((entry) => entry.isDirectory() && isForeignFolder(join(folder, entry.name)))
    .map(({ name }) => name)
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  // Of a training's checkpoint-500 and checkpoint-1000 the later one.
  const last = below.at(-1);
  const instead =
    last === undefined
      ? 'give a folder made by deit-convert, or one with config.json and weights'
      : `give ${join(folder, last)}`;
  return new UserError(`${join(folder, 'model.json')}: is missing, and there is no ${CONFIG}; ${instead}`);
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
  const bytes = new Uint8Array((await stat(path)).size);
  return bytes.subarray(0, await readPart(path, 0, bytes));
}

/** Fills `target` with what the file has from `position` on; how many bytes these are. */
async function readPart(path: string, position: number, target: Uint8Array): Promise<number> {
  const file = await open(path);
  try {
    let done = 0;
    while (done < target.length) {
      const count = Math.min(MAX_READ, target.length - done);
      const { bytesRead } = await file.read(target, done, count, position + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  } finally {
    await file.close();
  }
}
