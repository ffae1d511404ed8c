import { UserError } from '../errors.js';
import { type Connection, type HubSettings, PAUSES_MS, STALL_MS } from './connection.js';
import { type CreateHasher, downloadInto, fetchListing, identify } from './download.js';
import {
  type FolderFiles,
  readTextOf,
  refuseLfsPointer,
  requireInnerPath,
  requireTextSize,
} from './folderFiles.js';
import { formatHubName, parseHubName } from './hubName.js';
import { type HubFile, isCommit } from './listing.js';
import { HubUnreachable } from './retry.js';
import type { HubStore, KeptListing, OpenSource } from './store.js';

/** How long a hub that does not answer is waited for where a copy of its answer is kept, in ms. */
const SHORT_STALL_MS = 10_000;

/** How far the download of a file has come. */
export interface HubProgress {
  readonly path: string;
  readonly loadedBytes: number;
  /** Undefined if the server does not say. */
  readonly totalBytes: number | undefined;
}

export interface HubOptions {
  /** A branch, a tag or a commit, if the name has none; by default `main`. */
  readonly revision?: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: HubProgress) => void;
  /** Called with one line whenever something is tried again or assumed. */
  readonly onNotice?: (message: string) => void;
  /** Whether only what is kept is used, and nothing is asked of the hub. */
  readonly offline?: boolean;
  /** A connection on which nothing comes for this long counts as lost, in ms; by default 30 s. */
  readonly stallMs?: number;
  /** Waits before new tries when a connection was lost, in ms, until one brings bytes; as many tries are made. */
  readonly pauses?: readonly number[];
}

/** What a Node process and a browser's page have each in their own way. */
export interface HubPlatform {
  readonly endpoint: string;
  readonly token?: string;
  /** Where the token comes from, for messages. */
  readonly tokenSource?: string;
  readonly settings: HubSettings;
  readonly redirects: Connection['redirects'];
  readonly store: HubStore;
  readonly createHasher: CreateHasher;
  /** What to do so that the hub is asked again, for messages. */
  readonly onlineRemedy: string;
}

/** Files of a model on the hub, at one commit. */
export interface HubFolder extends FolderFiles {
  /** `OWNER/NAME`. */
  readonly repo: string;
  readonly revision: string;
  /** The commit that the revision was when it was opened: all files are of it. */
  readonly commit: string;
  /** Path of the folder in the repository; undefined: the whole of it. */
  readonly path?: string;
}

/**
 * Opens a model's files on the hub: finds out the commit and the list of files; each file is downloaded when it is read.
 *
 * @param name `hf:OWNER/NAME[@REVISION][/PATH]` or an address on the hub, see parseHubName. A PATH of a file is the
 *   folder's `chosen`, and the folder the one that it lies in; a PATH of a folder is that folder.
 * @throws UserError if the name is none, the model is not there or may not be read, or offline, if it is not kept
 */
export async function openHubFolder(
  name: string,
  options: HubOptions,
  platform: HubPlatform,
): Promise<HubFolder> {
  const parsed = parseHubName(name, platform.endpoint);
  if (parsed.revision !== undefined && options.revision !== undefined) {
    throw new UserError(`${name}: names a revision, and so does the option revision; give one of them`);
  }
  const { repo } = parsed;
  const revision = parsed.revision ?? options.revision ?? 'main';
  const connection = connectionOf(options, platform);
  const notes: string[] = [];
  const note = (line: string) => {
    if (notes.includes(line)) return;
    notes.push(line);
    options.onNotice?.(line);
  };
  const kept = await findListing(repo, revision, connection, options, platform, note);
  const { root, chosen } = place(parsed.path, kept, formatHubName(parsed));
  const label = formatHubName({
    repo,
    revision: parsed.revision ?? options.revision,
    path: root || undefined,
  });
  const files = filesOf({ repo, label, root, kept, connection, options, platform, note });
  const { listing } = kept;
  const at = { ...(chosen && { chosen }), ...(root && { path: root }) };
  return { name: label, ...at, notes, repo, revision, commit: listing.commit, ...files };
}

function connectionOf(options: HubOptions, platform: HubPlatform): Connection {
  const { endpoint, token, tokenSource, settings, redirects } = platform;
  const { signal, onNotice, stallMs = STALL_MS, pauses = PAUSES_MS } = options;
  return { endpoint, token, tokenSource, settings, redirects, signal, onNotice, stallMs, pauses };
}

async function findListing(
  repo: string,
  revision: string,
  connection: Connection,
  { offline, signal }: HubOptions,
  { store, onlineRemedy }: HubPlatform,
  note: (line: string) => void,
): Promise<KeptListing> {
  signal?.throwIfAborted();
  const kept = await store.readListing(repo, revision);
  if (offline) {
    if (kept) return kept;
    throw new UserError(
      `${repo}: revision ${revision} is not in the cache, and the hub is not asked because offline mode is on; ${onlineRemedy}`,
    );
  }
  if (kept?.isComplete && isCommit(revision)) return kept;
  try {
    const patience = kept ? impatient(connection) : connection;
    const listing = await fetchListing(patience, repo, revision);
    await store.keepListing(repo, revision, listing);
    return { listing, isComplete: true };
  } catch (error) {
    if (!kept || !(error instanceof HubUnreachable)) throw error;
    const seen = kept.checked ? `, as the hub had it on ${kept.checked.slice(0, 10)},` : '';
    note(
      `${repo}: the hub cannot be asked (${error.message}); revision ${revision} is taken from the cache${seen} at commit ` +
        kept.listing.commit.slice(0, 12),
    );
    return kept;
  }
}

/** Where a copy is kept, a short wait and one more try are enough. */
function impatient(connection: Connection): Connection {
  const { stallMs, pauses } = connection;
  return { ...connection, stallMs: Math.min(stallMs, SHORT_STALL_MS), pauses: pauses.slice(0, 1) };
}

/** The folder that a path means, with no slash at its end, and the file in it. */
function place(
  path: string | undefined,
  { listing }: KeptListing,
  name: string,
): { root: string; chosen?: string } {
  if (path === undefined) return { root: '' };
  const { files } = listing;
  if (files.some((file) => file.path === path)) {
    const slash = path.lastIndexOf('/');
    return { root: path.slice(0, Math.max(slash, 0)), chosen: path.slice(slash + 1) };
  }
  if (files.some((file) => file.path.startsWith(`${path}/`))) return { root: path };
  throw new UserError(`${name}: there is no file or folder ${path} in it; there are ${listed(files)}`);
}

/** Most names that one message lists. */
const SHOWN = 12;

function listed(files: readonly HubFile[]): string {
  if (files.length === 0) return 'no files';
  const more = files.length - SHOWN;
  const names = files.slice(0, SHOWN).map(({ path }) => path);
  return names.join(', ') + (more > 0 ? ` and ${more} more` : '');
}

interface Place {
  readonly repo: string;
  readonly label: string;
  readonly root: string;
  readonly kept: KeptListing;
  readonly connection: Connection;
  readonly options: HubOptions;
  readonly platform: HubPlatform;
  readonly note: (line: string) => void;
}

function filesOf(at: Place): Pick<FolderFiles, 'list' | 'readText' | 'open' | 'close'> {
  const { label, root, kept } = at;
  const prefix = root === '' ? '' : `${root}/`;
  const byPath = new Map(kept.listing.files.map((file) => [file.path, file]));
  /** Sources by path: a file that is asked for twice is fetched once. */
  const sources = new Map<string, Promise<OpenSource>>();
  const open = (file: HubFile): Promise<OpenSource> => {
    let source = sources.get(file.path);
    if (!source) {
      source = openFile(at, file);
      sources.set(file.path, source);
      source.catch(() => sources.delete(file.path));
    }
    return source;
  };
  return {
    async list() {
      const paths = [...byPath.keys()].filter((path) => path.startsWith(prefix));
      return paths.map((path) => path.slice(prefix.length)).sort();
    },
    async readText(path) {
      requireInnerPath(label, path);
      const file = byPath.get(prefix + path);
      if (!file) {
        await noteUnknown(at, prefix + path);
        return undefined;
      }
      requireTextSize(`${label}: ${path}`, file.size);
      return readTextOf(await open(file));
    },
    async open(path) {
      requireInnerPath(label, path);
      const file = byPath.get(prefix + path);
      if (file) return open(file);
      throw new UserError(
        kept.isComplete
          ? `${label}: has no file ${path}; there are ${listed(kept.listing.files)}`
          : `${label}: ${path} is not in the cache; ${at.platform.onlineRemedy}`,
      );
    },
    async close() {
      const opened = await Promise.allSettled(sources.values());
      sources.clear();
      for (const each of opened) if (each.status === 'fulfilled') await each.value.close?.();
    },
  };
}

/** A file that another program did not keep may be on the hub all the same. */
async function noteUnknown({ kept, repo, note }: Place, path: string): Promise<void> {
  if (kept.isComplete || (await kept.isKnownAbsent?.(path))) return;
  note(
    `${repo}: ${path} is not in the cache of Hugging Face's own libraries, and the hub was not asked; taken as not there`,
  );
}

async function openFile(at: Place, file: HubFile): Promise<OpenSource> {
  const source = await findOrDownload(at, file);
  try {
    await refuseLfsPointer(source, 'the repository has the pointer in place of the file; tell its owner');
    return source;
  } catch (error) {
    await source.close?.();
    throw error;
  }
}

async function findOrDownload(
  { repo, kept, connection, options, platform }: Place,
  file: HubFile,
): Promise<OpenSource> {
  const { store, createHasher, onlineRemedy } = platform;
  const { commit } = kept.listing;
  const found = await store.find(repo, commit, file);
  if (found) return found;
  if (options.offline) {
    throw new UserError(
      `${repo}: ${file.path} at commit ${commit.slice(0, 12)} is not in the cache, and the hub is not asked because ` +
        `offline mode is on; ${onlineRemedy}`,
    );
  }
  const known = await identify(connection, { repo, commit, file });
  const again = known === file ? undefined : await store.find(repo, commit, known);
  if (again) return again;
  const onBytes = (loadedBytes: number, totalBytes: number | undefined) =>
    options.onProgress?.({ path: file.path, loadedBytes, totalBytes });
  return store.receive(
    repo,
    commit,
    known,
    (partial) => downloadInto(connection, { repo, commit, file: known }, partial, createHasher, onBytes),
    options.signal,
  );
}
