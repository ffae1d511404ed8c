import { quote } from '../../converters/formats/quote.js';
import { UserError } from '../errors.js';
import { isInnerPath } from './folderFiles.js';

/** A file's whole hash: SHA-256 of its bytes (files in LFS), or Git's SHA-1 of it as a blob (all others). */
export interface ContentHash {
  readonly algorithm: 'sha256' | 'git-sha1';
  /** 64 or 40 hexadecimal digits. */
  readonly hex: string;
}

/** A file of a repository at a commit. */
export interface HubFile {
  readonly path: string;
  /** In bytes, if the hub says. */
  readonly size?: number;
  readonly hash?: ContentHash;
}

/** All files of a repository at a commit. */
export interface Listing {
  readonly commit: string;
  readonly files: readonly HubFile[];
}

/** More files than any model has; a guard against an endless answer. */
const MAX_FILES = 100_000;

/**
 * Reads the hub's answer to `/api/models/OWNER/NAME/revision/REVISION?blobs=true`.
 *
 * @param setting how the user sets the hub's address, for the message
 * @throws UserError if it is another answer
 */
export function parseListing(name: string, text: string, setting: string): Listing {
  const answer = asRecord(parseJson(name, text, setting));
  const commit = answer?.sha;
  const siblings = answer?.siblings;
  if (!isCommit(commit) || !Array.isArray(siblings) || siblings.length > MAX_FILES) {
    throw new UserError(
      `${name}: the server answered with something else than a model's list of files (sha, siblings); is ${setting} the ` +
        'address of a hub?',
    );
  }
  const files = siblings.map(parseFile).filter((file) => file !== undefined);
  return { commit, files: files.sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** Whether a text is a whole commit's hash, which always means the same files. */
export function isCommit(text: unknown): text is string {
  return typeof text === 'string' && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** The SHA-256 that an ETag of the hub is, for a file in LFS; other ETags mean other things on other servers. */
export function hashOfEtag(etag: string | null | undefined): ContentHash | undefined {
  const hex = /^(?:W\/)?"?([0-9a-f]{64})"?$/.exec(etag ?? '')?.[1];
  return hex === undefined ? undefined : { algorithm: 'sha256', hex };
}

function parseFile(sibling: unknown): HubFile | undefined {
  const { rfilename: path, size, blobId, lfs } = asRecord(sibling) ?? {};
  // A name that no folder could have is not asked for.
  if (typeof path !== 'string' || !isInnerPath(path)) return undefined;
  const { sha256, size: lfsSize } = asRecord(lfs) ?? {};
  const hash = typeof sha256 === 'string' ? hashOfDigits(sha256) : hashOfDigits(blobId);
  const bytes = [lfsSize, size].find((value) => Number.isSafeInteger(value) && (value as number) >= 0);
  return { path, ...(bytes !== undefined && { size: bytes as number }), ...(hash && { hash }) };
}

function hashOfDigits(hex: unknown): ContentHash | undefined {
  if (typeof hex !== 'string' || !/^[0-9a-f]+$/.test(hex)) return undefined;
  if (hex.length === 64) return { algorithm: 'sha256', hex };
  return hex.length === 40 ? { algorithm: 'git-sha1', hex } : undefined;
}

function parseJson(name: string, text: string, setting: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(
      `${name}: expected the hub's list of files in JSON, the server answered ${quote(text)}; is ${setting} the address of ` +
        'a hub?',
    );
  }
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
}
