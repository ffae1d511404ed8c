/** Models on the hub in a page or a web worker; the code behind it is fetched when it is first called. */
import type { HubFolder } from '../hub/hubFolder.js';
import type { CachedFile } from './hub/cacheStore.js';
import type { BrowserHubOptions } from './hub/openHub.js';

export type { BrowserHubOptions, CachedFile };

const hub = () => import('./hub/openHub.js');

/**
 * Opens a model on the hub: `hf:OWNER/NAME[@REVISION][/PATH]`. Its files are downloaded when they are read, and kept in
 * the browser's Cache API.
 *
 * @throws UserError if the name is none, the model is not there or may not be read, or offline, if it is not kept
 */
export async function openHub(name: string, options: BrowserHubOptions = {}): Promise<HubFolder> {
  return (await hub()).openHub(name, options);
}

/** The hub's files that this browser keeps. */
export async function listCachedFiles(): Promise<CachedFile[]> {
  return (await hub()).listCachedFiles();
}

/** Removes all of them. */
export async function clearHubCache(): Promise<void> {
  return (await hub()).clearHubCache();
}
