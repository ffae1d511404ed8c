/** What load takes in a page or a web worker, opened as the source of a model. */
import { checkArguments } from '../checkArguments.js';
import { checkOptions, type OptionKind } from '../checkOptions.js';
import { UserError } from '../errors.js';
import { isHubName } from '../hub/hubName.js';
import { BROWSER_HUB_OPTIONS } from '../hub/hubOptions.js';
import { type FetchFile, fetchFile } from '../models/fetchFile.js';
import { openLayersModelFolder, type StoredModel } from '../models/layersModelFolder.js';
import {
  type Build,
  checkLoadOptions,
  checkSource,
  conversionOptions,
  type LoadOptions,
  loadSource,
} from '../models/loadSource.js';
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

const BROWSER_OPTIONS = { cache: 'room', assetFolder: 'address', hub: 'object' } as const;

/** Throws a UserError for what load does not take in a browser. `more` are options beside load's. */
export function checkBrowserLoad(
  source: BrowserModelSource,
  options: BrowserLoadOptions,
  more: Readonly<Record<string, OptionKind>> = {},
): void {
  checkLoadOptions(options, { ...BROWSER_OPTIONS, ...more });
  checkOptions('load: hub', options?.hub, BROWSER_HUB_OPTIONS);
  if (isFileList(source)) checkArguments('load', { source: ['files', source] });
  else if (typeof source !== 'string' && !(source instanceof URL)) checkSource(source);
}

/**
 * Opens what load takes in a browser, and has `build` make the model.
 *
 * @throws UserError if it is neither, or it cannot be fetched
 */
export async function loadBrowserSource<Model>(
  source: BrowserModelSource,
  given: BrowserLoadOptions,
  build: Build<Model>,
): Promise<Model> {
  checkBrowserLoad(source, given);
  return explainImports(() => openAndBuild(source, given, build));
}

async function openAndBuild<Model>(
  source: BrowserModelSource,
  given: BrowserLoadOptions,
  build: Build<Model>,
): Promise<Model> {
  const { cache = true, assetFolder, hub, ...rest } = given;
  if (assetFolder !== undefined) setAssetFolder(assetFolder);
  const options: LoadOptions = { ...rest, fetchFile: rest.fetchFile ?? fetchFrom(cache) };
  if (isFileList(source)) return build(await openDropped(source), options);
  if (isHubAddress(source))
    return loadHub(String(source), { cache: cache !== false, ...hub }, options, build);
  return loadSource(source, options, build);
}

/** A service worker may not import(): the HTML standard has it so. */
async function explainImports<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!('ServiceWorkerGlobalScope' in globalThis) || !/\bimport/.test((error as Error).message))
      throw error;
    throw new UserError(
      'a service worker may not import() the parts of the library: bundle deit-tfjs/wasm into its one script, e.g. by esbuild --bundle (docs/browser.md)',
      { cause: error },
    );
  }
}

function isHubAddress(source: BrowserModelSource): source is string | URL {
  return (typeof source === 'string' || source instanceof URL) && isHubName(String(source));
}

async function loadHub<Model>(
  name: string,
  hub: BrowserHubOptions,
  options: LoadOptions,
  build: Build<Model>,
): Promise<Model> {
  const { openFiles } = await import('../models/openFiles.js');
  const { signal } = options;
  const files = await openHub(name, { onNotice: console.warn, ...hub, ...(signal && { signal }) });
  try {
    return await build(await openFiles(files, conversionOptions(options)), options);
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
