import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { type HubFile, isCommit } from '../../hub/listing.js';
import type { KeptListing } from '../../hub/store.js';

/** Deeper folders and more files than any model has; guards against a folder that is something else. */
const MAX_DEPTH = 8;
const MAX_FILES = 10_000;

/**
 * Reads the cache that Hugging Face's own libraries keep: `models--OWNER--NAME/{refs,snapshots,blobs}`, where blobs go
 * by their hash and a snapshot's files are links to them. Nothing is written there.
 */
export function huggingFaceCache(root: string) {
  const folderOf = (repo: string) => join(root, `models--${repo.replace('/', '--')}`);
  return {
    /** The files of a revision that are there, which may be some only of those on the hub. */
    async readListing(repo: string, revision: string): Promise<KeptListing | undefined> {
      const folder = folderOf(repo);
      const commit = isCommit(revision) ? revision : await readRef(folder, revision);
      if (commit === undefined) return undefined;
      const files = await snapshotFiles(join(folder, 'snapshots', commit)).catch(() => []);
      if (files.length === 0) return undefined;
      return {
        listing: { commit, files },
        isComplete: false,
        isKnownAbsent: (path) => exists(join(folder, '.no_exist', commit, ...path.split('/'))),
      };
    },

    /** Path of a file's content, if it is there and has the right size. */
    async find(repo: string, commit: string, { path, size, hash }: HubFile): Promise<string | undefined> {
      const folder = folderOf(repo);
      const candidates = [join(folder, 'snapshots', commit, ...path.split('/'))];
      if (hash) candidates.unshift(join(folder, 'blobs', hash.hex));
      for (const candidate of candidates) {
        const info = await stat(candidate).catch(() => undefined);
        if (!info?.isFile() || (size !== undefined && info.size !== size)) continue;
        if (await isInside(folder, candidate)) return candidate;
      }
      return undefined;
    },
  };
}

async function readRef(folder: string, revision: string): Promise<string | undefined> {
  const text = await readFile(join(folder, 'refs', ...revision.split('/')), 'utf8').catch(() => '');
  return isCommit(text.trim()) ? text.trim() : undefined;
}

async function snapshotFiles(folder: string, prefix = '', depth = 0): Promise<HubFile[]> {
  const files: HubFile[] = [];
  for (const name of (await readdir(folder)).sort()) {
    const info = await stat(join(folder, name)).catch(() => undefined); // undefined: a link to a blob that is gone
    if (info?.isFile()) files.push({ path: prefix + name, size: info.size });
    if (info?.isDirectory() && depth < MAX_DEPTH) {
      files.push(...(await snapshotFiles(join(folder, name), `${prefix}${name}/`, depth + 1)));
    }
    if (files.length > MAX_FILES) break;
  }
  return files;
}

/** A link may lead to the blobs beside it, and nowhere else. */
async function isInside(folder: string, path: string): Promise<boolean> {
  const [outer, inner] = await Promise.all([realpath(folder), realpath(path)]);
  return inner.startsWith(outer + sep);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
