import { randomUUID } from 'node:crypto';
import { readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type HubFile, isCommit, type Listing } from '../../hub/listing.js';
import { contentKey, type HubStore, type KeptListing, type OpenSource } from '../../hub/store.js';
import { writeSynced } from '../atomicFile.js';
import { openFileSource } from '../fileSource.js';
import { makeFolder } from '../makeFolder.js';
import { huggingFaceCache } from './huggingFaceCache.js';
import { type FileLock, LockLost, lockFile } from './lock.js';
import { openPartialBlob } from './partialBlob.js';
import { type Elsewhere, inWords } from './writeErrors.js';

/** What a revision was when the hub was asked last: `refs/REVISION.json`. */
export interface KeptRef {
  readonly revision: string;
  readonly commit: string;
  /** Address of the hub that said so. */
  readonly endpoint: string;
  /** ISO 8601. */
  readonly checked: string;
}

export interface DiskStoreOptions {
  /** The package's cache folder. */
  readonly cacheDir: string;
  /** The cache of Hugging Face's own libraries, to be read; undefined: none. */
  readonly huggingFaceDir?: string;
  readonly endpoint: string;
  readonly onNotice?: (message: string) => void;
}

/** Folder of all models in a cache folder. */
export function modelsFolder(cacheDir: string): string {
  return join(cacheDir, 'hub', 'models');
}

/**
 * The cache on the disk, which any number of processes share:
 *
 *     CACHE/hub/models/OWNER/NAME/refs/REVISION.json     which commit a revision was
 *                                 commits/COMMIT.json    the list of its files
 *                                 blobs/HASH             a file's content, whole; HASH.partial: its beginning
 *                                 used                   its time is that of the last use
 */
export function diskStore({ cacheDir, huggingFaceDir, endpoint, onNotice }: DiskStoreOptions): HubStore {
  const folderOf = (repo: string) => join(modelsFolder(cacheDir), ...repo.split('/'));
  const others = huggingFaceDir === undefined ? undefined : huggingFaceCache(huggingFaceDir);

  const find = async (repo: string, commit: string, file: HubFile): Promise<OpenSource | undefined> => {
    const own = await findOwn(folderOf(repo), contentKey(commit, file), file.size);
    const path = own ?? (await others?.find(repo, commit, file));
    return path === undefined ? undefined : named(await openFileSource(path), `${repo}/${file.path}`);
  };

  return {
    async readListing(repo, revision) {
      const folder = folderOf(repo);
      await noteUse(folder);
      return (await readOwnListing(folder, revision)) ?? (await others?.readListing(repo, revision));
    },

    async keepListing(repo, revision, listing) {
      const folder = folderOf(repo);
      const ref: KeptRef = {
        revision,
        commit: listing.commit,
        endpoint,
        checked: new Date().toISOString(),
      };
      try {
        await writeJson(join(folder, 'commits', `${listing.commit}.json`), { files: listing.files });
        await writeJson(refPath(folder, revision), ref);
        await writeJson(join(folder, 'used'), {});
      } catch {
        // A cache that cannot be written serves with what it has; a file that must be kept says so.
      }
    },

    find,

    async receive(repo, commit, file, fill, signal) {
      const target = join(folderOf(repo), 'blobs', contentKey(commit, file));
      const label = `${repo}/${file.path}`;
      return receiveFile({
        target,
        size: file.size,
        find: () => find(repo, commit, file),
        open: async () => named(await openFileSource(target), label),
        fill,
        signal,
        onWait: () => onNotice?.(`${label}: another process downloads it; waiting`),
      });
    },
  };
}

/** A file that is to be received into its place. */
export interface Receiving {
  readonly target: string;
  /** In bytes, if it is known. */
  readonly size: number | undefined;
  /** The file, if another process has brought it meanwhile. */
  find(): Promise<OpenSource | undefined>;
  /** Opens it once it is in its place. */
  open(): Promise<OpenSource>;
  readonly fill: Parameters<HubStore['receive']>[3];
  readonly signal?: AbortSignal;
  onWait(): void;
  readonly elsewhere?: Elsewhere;
}

/** Receives a file into its place; one process at a time does, and one that was cut off goes on where it was. */
export async function receiveFile({ target, elsewhere, ...file }: Receiving): Promise<OpenSource> {
  const { signal, onWait } = file;
  await inWords(target, () => makeFolder(dirname(target)), elsewhere);
  for (;;) {
    const lock = await inWords(target, () => lockFile(`${target}.lock`, { signal, onWait }), elsewhere);
    try {
      const found = await file.find();
      if (found) return found;
      await fillBlob(target, file.size, lock, file.fill, elsewhere);
      return await file.open();
    } catch (error) {
      if (!(error instanceof LockLost)) throw error;
    } finally {
      await lock.release();
    }
  }
}

async function fillBlob(
  target: string,
  total: number | undefined,
  lock: FileLock,
  fill: Receiving['fill'],
  elsewhere: Elsewhere | undefined,
): Promise<void> {
  const partial = await openPartialBlob(target, total, () => lock.check(), elsewhere);
  try {
    await fill(partial);
    await partial.finish();
  } finally {
    await partial.close();
  }
}

/** Path of a whole blob. One of another size than the hub lists is damaged: it is removed. */
async function findOwn(folder: string, key: string, size: number | undefined): Promise<string | undefined> {
  const path = join(folder, 'blobs', key);
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) return undefined;
  if (size === undefined || info.size === size) return path;
  await rm(path, { force: true }).catch(() => {});
  return undefined;
}

async function readOwnListing(folder: string, revision: string): Promise<KeptListing | undefined> {
  const ref = (await readJson(refPath(folder, revision))) as KeptRef | undefined;
  const known = ref?.revision === revision && isCommit(ref.commit) ? ref : undefined;
  const commit = isCommit(revision) ? revision : known?.commit;
  if (commit === undefined) return undefined;
  const kept = (await readJson(join(folder, 'commits', `${commit}.json`))) as Pick<Listing, 'files'>;
  if (!Array.isArray(kept?.files)) return undefined;
  return { listing: { commit, files: kept.files }, checked: known?.checked, isComplete: true };
}

function refPath(folder: string, revision: string): string {
  return join(folder, 'refs', `${encodeURIComponent(revision)}.json`);
}

async function noteUse(folder: string): Promise<void> {
  const now = new Date();
  await utimes(join(folder, 'used'), now, now).catch(() => {}); // none yet, or a cache that cannot be written
}

function named(source: OpenSource, name: string): OpenSource {
  return { name, size: source.size, read: source.read, close: source.close };
}

/** Undefined if the file is not there or is no JSON: it is then asked for again. */
async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Writes a file that is there whole or not at all; of several writers at once the last one counts. */
async function writeJson(path: string, value: unknown): Promise<void> {
  const beside = `${path}.${randomUUID()}.tmp`;
  try {
    await writeSynced(beside, [new TextEncoder().encode(JSON.stringify(value))], 'wx');
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true }).catch(() => {}); // the first error tells more
    throw error;
  }
}
