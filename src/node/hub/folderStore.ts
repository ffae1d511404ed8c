import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { UserError } from '../../errors.js';
import type { ContentHash, HubFile } from '../../hub/listing.js';
import type { HubStore, OpenSource, PartialContent } from '../../hub/store.js';
import { openFileSource } from '../fileSource.js';
import { receiveFile } from './diskStore.js';

/** Bytes that are copied at once. */
const PIECE = 2 ** 22;

/**
 * Keeps files in a folder of the user's, each under its path in the repository. What the cache has is copied from there;
 * what it has not is received into the folder alone. A file that is there already is checked, never replaced.
 */
export function folderStore(folder: string, cache: HubStore, onNotice?: (message: string) => void): HubStore {
  const placeOf = ({ path }: HubFile) => join(folder, ...path.split('/'));

  const own = async (file: HubFile): Promise<OpenSource | undefined> => {
    const path = placeOf(file);
    const info = await stat(path).catch(() => undefined);
    if (!info) return undefined;
    const same =
      info.isFile() &&
      (file.size === undefined || info.size === file.size) &&
      (!file.hash || (await contentHash(path, info.size, file.hash.algorithm)) === file.hash.hex);
    if (same) return openFileSource(path);
    throw new UserError(
      `${path}: is there already and is another file than the hub's; choose another folder with --out, or move it away`,
    );
  };

  const receive = (file: HubFile, fill: (partial: PartialContent) => Promise<void>, signal?: AbortSignal) =>
    receiveFile({
      target: placeOf(file),
      size: file.size,
      find: () => own(file),
      open: () => openFileSource(placeOf(file)),
      fill,
      signal,
      onWait: () => onNotice?.(`${placeOf(file)}: another process downloads it; waiting`),
      elsewhere: 'choose another folder with --out',
    });

  return {
    readListing: (repo, revision) => cache.readListing(repo, revision),
    keepListing: async () => {}, // a model that the cache has no files of is none of its
    async find(repo, commit, file) {
      const there = await own(file);
      if (there) return there;
      const cached = await cache.find(repo, commit, file);
      if (!cached) return undefined;
      try {
        return await receive(file, (partial) => copy(cached, partial));
      } finally {
        await cached.close?.();
      }
    },
    receive: (_repo, _commit, file, fill, signal) => receive(file, fill, signal),
  };
}

async function copy(source: OpenSource, partial: PartialContent): Promise<void> {
  await partial.restart();
  while (partial.size < source.size) {
    const length = Math.min(PIECE, source.size - partial.size);
    await partial.append(await source.read(partial.size, length));
  }
}

/** The hash of a file as the hub has it. */
async function contentHash(path: string, size: number, algorithm: ContentHash['algorithm']): Promise<string> {
  const hash = createHash(algorithm === 'sha256' ? 'sha256' : 'sha1');
  if (algorithm === 'git-sha1') hash.update(`blob ${size}\0`);
  for await (const bytes of createReadStream(path)) hash.update(bytes as Buffer);
  return hash.digest('hex');
}
