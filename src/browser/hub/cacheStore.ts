import type { Listing } from '../../hub/listing.js';
import { contentKey, type HubStore } from '../../hub/store.js';
import {
  type ContentCache,
  HUB_CACHE,
  memoryCache,
  openBrowserCache,
  putJson,
  readJson,
  spillingCache,
} from './contentCache.js';
import { type Manifest, manifestName, openPieces, pieceSource, readManifest, removeFile } from './pieces.js';

/** A file of the hub in the browser's cache. */
export interface CachedFile {
  /** `OWNER/NAME/PATH`. */
  readonly name: string;
  readonly bytes: number;
  /** When it was used last, as ISO 8601. */
  readonly used: string;
}

/**
 * The files of the hub in the browser's cache; in memory where there is none, or no more room once what was used longest
 * ago is gone.
 */
export async function cacheStore(isCached: boolean, onNotice?: (message: string) => void): Promise<HubStore> {
  const browser = isCached ? await openBrowserCache() : undefined;
  /** Files of this store stay: they may be open. */
  const inUse = new Set<string>();
  const cache = browser
    ? spillingCache(
        browser,
        (full) => removeOldest(full, inUse),
        () =>
          onNotice?.("the browser's storage is full; what it has no room for stays in memory for this page"),
      )
    : memoryCache();

  const open = (key: string, manifest: Manifest) => {
    inUse.add(key);
    return pieceSource(cache, key, manifest);
  };
  const find: HubStore['find'] = async (_repo, commit, file) => {
    const key = contentKey(commit, file);
    const manifest = await readManifest(cache, key);
    if (!manifest || (file.size !== undefined && manifest.bytes !== file.size)) return undefined;
    await putJson(cache, manifestName(key), { ...manifest, used: new Date().toISOString() });
    return open(key, manifest);
  };

  return {
    async readListing(repo, revision) {
      const kept = await readJson(cache, listingName(repo, revision));
      const { listing, checked } = (kept ?? {}) as { listing?: Listing; checked?: string };
      return listing && { listing, checked, isComplete: true };
    },
    async keepListing(repo, revision, listing) {
      await putJson(cache, listingName(repo, revision), { listing, checked: new Date().toISOString() });
    },
    find,
    async receive(repo, commit, file, fill, signal) {
      const key = contentKey(commit, file);
      return alone(key, signal, async () => {
        const found = await find(repo, commit, file);
        if (found) return found;
        inUse.add(key);
        const pieces = await openPieces(cache, key);
        await fill(pieces);
        return open(key, await pieces.finish(`${repo}/${file.path}`));
      });
    },
  };
}

/** The files in the browser's cache, the one used last first. */
export async function listCachedFiles(): Promise<CachedFile[]> {
  const cache = await openBrowserCache();
  const files = cache ? await manifests(cache) : [];
  return files
    .map(({ manifest: { name, bytes, used } }) => ({ name, bytes, used }))
    .sort((a, b) => (a.used < b.used ? 1 : -1));
}

/** Deletes all that was kept of the hub. */
export async function clearHubCache(): Promise<void> {
  if (await openBrowserCache()) await caches.delete(HUB_CACHE);
}

const listingName = (repo: string, revision: string) => `listings/${repo}/${encodeURIComponent(revision)}`;

/** One page at a time downloads a file; where the browser has no locks between pages, each does for itself. */
function alone<T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  // A sandboxed frame has locks and may not use them.
  if (!locks || globalThis.origin === 'null') return work();
  return locks.request(`${HUB_CACHE} ${key}`, { signal }, work) as Promise<T>;
}

async function removeOldest(cache: ContentCache, inUse: ReadonlySet<string>): Promise<boolean> {
  const files = (await manifests(cache)).filter(({ key }) => !inUse.has(key));
  const oldest = files.sort((a, b) => (a.manifest.used < b.manifest.used ? -1 : 1))[0];
  if (!oldest) return false;
  await removeFile(cache, oldest.key);
  return true;
}

async function manifests(cache: ContentCache): Promise<{ key: string; manifest: Manifest }[]> {
  const prefix = manifestName('');
  const keys = (await cache.names(prefix)).map((name) => name.slice(prefix.length));
  const read = await Promise.all(
    keys.map(async (key) => ({ key, manifest: await readManifest(cache, key) })),
  );
  return read.flatMap(({ key, manifest }) => (manifest ? [{ key, manifest }] : []));
}
