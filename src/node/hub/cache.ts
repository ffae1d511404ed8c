import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { UserError } from '../../errors.js';
import { parseHubName } from '../../hub/hubName.js';
import { type KeptRef, modelsFolder } from './diskStore.js';
import { cacheFolder } from './environment.js';
import { inWords } from './writeErrors.js';

/** The end of a folder's name while it is removed. */
const REMOVED = /\.removed-[0-9a-f-]{36}$/;

/** A model in the cache. */
export interface CachedModel {
  /** `OWNER/NAME`. */
  readonly repo: string;
  /** On the disk, what is unfinished with it. */
  readonly bytes: number;
  /** Of files that are not whole yet. */
  readonly partialBytes: number;
  /** Whole files. */
  readonly files: number;
  readonly revisions: readonly Pick<KeptRef, 'revision' | 'commit' | 'checked'>[];
  /** When it was used last, as ISO 8601. */
  readonly used: string;
}

/** Folder of what was downloaded from the hub. */
export function hubCacheFolder(cacheDir: string = cacheFolder()): string {
  return join(cacheDir, 'hub');
}

/** The models in the cache, the one used last first. Throws a UserError if the cache cannot be read. */
export async function listCache(cacheDir: string = cacheFolder()): Promise<CachedModel[]> {
  const root = modelsFolder(cacheDir);
  const models: CachedModel[] = [];
  for (const owner of await foldersIn(root)) {
    for (const name of await foldersIn(join(root, owner))) {
      models.push(await describe(join(root, owner, name), `${owner}/${name}`));
    }
  }
  return models.sort((a, b) => (a.used < b.used ? 1 : -1));
}

/**
 * Removes a model from the cache; a process that has its files open keeps them.
 *
 * @param repo `OWNER/NAME`
 * @returns bytes that were freed
 * @throws UserError if it is no name or not in the cache, or cannot be removed
 */
export async function removeFromCache(repo: string, cacheDir: string = cacheFolder()): Promise<number> {
  parseHubName(`hf:${repo}`); // a name that leads out of the cache is refused
  const folder = join(modelsFolder(cacheDir), ...repo.split('/'));
  if (!(await stat(folder).catch(() => undefined))) {
    const there = (await listCache(cacheDir)).map((model) => model.repo);
    const hint = there.length === 0 ? 'the cache is empty' : `there are ${there.join(', ')}`;
    throw new UserError(`${repo}: is not in the cache; ${hint}`);
  }
  const { bytes } = await describe(folder, repo);
  // The name is removed first, so that no other process finds half of the model.
  const aside = `${folder}.removed-${randomUUID()}`;
  await inWords(folder, () => rename(folder, aside));
  await inWords(aside, () => rm(aside, { recursive: true, force: true }));
  await rmdir(dirname(folder)).catch(() => {}); // an owner with other models stays
  return bytes;
}

/** Removes all models from the cache. Gives the bytes that were freed. */
export async function clearHubCache(cacheDir: string = cacheFolder()): Promise<number> {
  let bytes = 0;
  for (const { repo } of await listCache(cacheDir)) bytes += await removeFromCache(repo, cacheDir);
  await finishRemovals(modelsFolder(cacheDir));
  return bytes;
}

/** Removes what a process that ended in the middle of it has left. */
async function finishRemovals(root: string): Promise<void> {
  for (const owner of await readdir(root).catch(() => [])) {
    for (const name of await readdir(join(root, owner)).catch(() => [])) {
      const path = join(root, owner, name);
      if (REMOVED.test(name)) await inWords(path, () => rm(path, { recursive: true, force: true }));
    }
    await rmdir(join(root, owner)).catch(() => {}); // with models that came meanwhile it stays
  }
}

async function describe(folder: string, repo: string): Promise<CachedModel> {
  const blobs = await filesIn(join(folder, 'blobs'));
  const others = [...(await filesIn(join(folder, 'refs'))), ...(await filesIn(join(folder, 'commits')))];
  const sum = (files: readonly { size: number }[]) => files.reduce((total, { size }) => total + size, 0);
  const partial = blobs.filter(({ name }) => name.endsWith('.partial'));
  const used = (await stat(join(folder, 'used')).catch(() => undefined)) ?? (await stat(folder));
  return {
    repo,
    bytes: sum(blobs) + sum(others),
    partialBytes: sum(partial),
    files: blobs.filter(({ name }) => !/\.(partial|lock)$/.test(name)).length,
    revisions: await revisionsIn(join(folder, 'refs')),
    used: used.mtime.toISOString(),
  };
}

async function revisionsIn(folder: string): Promise<CachedModel['revisions']> {
  const files = await filesIn(folder);
  const texts = await Promise.all(
    files.map(({ name }) => readFile(join(folder, name), 'utf8').catch(() => '')),
  );
  return texts.flatMap((text) => {
    try {
      const { revision, commit, checked } = JSON.parse(text) as KeptRef;
      return [{ revision, commit, checked }];
    } catch {
      return []; // it is being written, or damaged: it is asked for again when it is used
    }
  });
}

async function filesIn(folder: string): Promise<{ name: string; size: number }[]> {
  const files: { name: string; size: number }[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const info = await stat(join(folder, name)).catch(() => undefined);
    if (info?.isFile()) files.push({ name, size: info.size });
  }
  return files;
}

/** Folders that have the name of an owner or a model. Empty if there is no such place. */
async function foldersIn(folder: string): Promise<string[]> {
  try {
    const entries = await readdir(folder, { withFileTypes: true });
    return entries
      .filter((entry) => entry.isDirectory() && !REMOVED.test(entry.name))
      .map(({ name }) => name);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new UserError(`${folder}: the cache cannot be read (${code}); is DEIT_CACHE right?`);
  }
}
