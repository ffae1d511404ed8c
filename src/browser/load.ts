import { UserError } from '../errors.js';
import { isHubName } from '../hub/hubName.js';
import { type FetchFile, fetchFile } from '../models/fetchFile.js';
import { openLayersModelFolder, type StoredModel } from '../models/layersModelFolder.js';
import {
  checkLoadOptions,
  conversionOptions,
  type LoadOptions,
  loadFrom,
  load as loadIsomorphic,
} from '../models/load.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { setAssetFolder } from './assets.js';
import { cachedFetch } from './cache.js';
import { type BrowserHubOptions, openHub } from './hub.js';
import { explainBlocked } from './policy.js';

export interface BrowserLoadOptions extends LoadOptions {
  /** Keep downloads for the next visit (see cache.ts): true, by default, or the most bytes to keep, or false. */
  cache?: boolean | number;
  /**
   * Address of the folder that holds the WASM binaries and worker.js, a copy of deit-tfjs' dist/browser, where the
   * bundler has not taken them along. It holds for the page, as setAssetFolder says it.
   */
  assetFolder?: string | URL;
  /** Of a name on the hub: token, revision, endpoint, offline, and the progress of its downloads; see openHub. */
  hub?: Omit<BrowserHubOptions, 'cache' | 'signal'>;
}

/**
 * What load takes in a browser: an address, a name on the hub (`hf:OWNER/NAME`), the bytes of a checkpoint, e.g. a dropped File, or the files of a
 * converted folder, e.g. of one that was dropped.
 */
export type BrowserModelSource = string | URL | Uint8Array | ArrayBuffer | Blob | readonly File[];

/**
 * Loads a model.
 *
 * @param source `hf:OWNER/NAME[@REVISION]` on the hub, or URL of a converted folder, of its model.json or of a checkpoint file, or the bytes of a checkpoint
 *   (.pth, .safetensors), e.g. a File that was dropped on the page, or the files of a converted folder
 * @throws UserError if it is neither, it cannot be fetched, or the backend cannot be used
 */
export async function load(
  source: BrowserModelSource,
  given: BrowserLoadOptions = {},
): Promise<VisionTransformer> {
  checkLoadOptions(given, { cache: 'any', assetFolder: 'any', hub: 'object' });
  const { cache = true, assetFolder, hub, ...rest } = given;
  if (assetFolder !== undefined) setAssetFolder(assetFolder);
  const options: LoadOptions = { ...rest, fetchFile: rest.fetchFile ?? fetchFrom(cache) };
  if (isFileList(source)) return loadFrom(await openDropped(source), options);
  if (isHubAddress(source)) return loadHub(String(source), { cache: cache !== false, ...hub }, options);
  return loadIsomorphic(source, options);
}

function isHubAddress(source: BrowserModelSource): source is string | URL {
  return (typeof source === 'string' || source instanceof URL) && isHubName(String(source));
}

async function loadHub(
  name: string,
  hub: BrowserHubOptions,
  options: LoadOptions,
): Promise<VisionTransformer> {
  const { openFiles } = await import('../models/openFiles.js');
  const { signal } = options;
  const files = await openHub(name, { onNotice: console.warn, ...hub, ...(signal && { signal }) });
  try {
    return await loadFrom(await openFiles(files, conversionOptions(options)), options);
  } finally {
    await files.close();
  }
}

/** Fetches from the network, through the cache or past it, and says when it was the page's policy that forbade it. */
function fetchFrom(cache: boolean | number): FetchFile {
  const fetchIt = cache === false ? fetchFile : cachedFetch(cache === true ? undefined : cache);
  return (url, options) => explainBlocked(url, () => fetchIt(url, options));
}

function isFileList(source: BrowserModelSource): source is readonly File[] {
  return Array.isArray(source);
}

/** Opens a converted folder by its files, which lie beside its model.json. */
function openDropped(files: readonly File[]): Promise<StoredModel> {
  const byName = new Map(files.map((file) => [file.name, file]));
  const read = async (path: string, maxBytes: number) => {
    const file = byName.get(path);
    if (!file) throw new UserError(`${path}: is not among the files; give the whole folder of deit-convert`);
    if (file.size > maxBytes)
      throw new UserError(`${path}: has ${file.size} bytes, at most ${maxBytes} are expected`);
    return new Uint8Array(await file.arrayBuffer());
  };
  return openLayersModelFolder({ name: 'the folder', read });
}
