import { quote } from '../../converters/formats/quote.js';
import { concatBytes } from '../concat.js';
import { UserError } from '../errors.js';
import { type Answer, type Connection, LostConnection, request } from './connection.js';
import { isLfsPointer } from './folderFiles.js';
import { type ContentHash, type HubFile, hashOfEtag, type Listing, parseListing } from './listing.js';
import { startRetry } from './retry.js';
import type { PartialContent } from './store.js';

/** Which file of which commit. */
export interface FileAt {
  readonly repo: string;
  readonly commit: string;
  readonly file: HubFile;
}

/** Called with the bytes of a file that are there and, if it is known, how many there will be. */
export type OnBytes = (loadedBytes: number, totalBytes: number | undefined) => void;

/** SHA-1 or SHA-256, a piece at a time: Node's own, or a browser's. */
export interface Hasher {
  update(bytes: Uint8Array): unknown;
  /** In hexadecimal. */
  digest(): string;
}
export type CreateHasher = (algorithm: 'sha1' | 'sha256') => Hasher;

/** Largest list of files that is read, in bytes: some 100,000 files. */
const MAX_LISTING_BYTES = 64 * 2 ** 20;
/** Longest beginning of an answer that is looked at to say what it is. */
const MAX_STRANGE_BYTES = 1024;

/**
 * Asks the hub which commit a revision is, and for the files at it, with their sizes and hashes.
 *
 * @throws UserError if there is no such model or revision, or it may not be read; HubUnreachable
 */
export async function fetchListing(connection: Connection, repo: string, revision: string): Promise<Listing> {
  const url = `${connection.endpoint}/api/models/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`;
  const retry = startRetry(connection, url, () => 'further tries failed too; try again later');
  for (;;) {
    try {
      const answer = await request(connection, url, { repo, revision });
      const text = await readAll(connection, answer, url);
      return parseListing(`${connection.endpoint}/${repo}`, text, connection.settings.endpoint);
    } catch (error) {
      if (!(error instanceof LostConnection)) throw error;
      await retry.after(error);
    }
  }
}

/** The file with the size and hash that the hub sends with it, for a hub whose list of files has none. */
export async function identify(connection: Connection, { repo, commit, file }: FileAt): Promise<HubFile> {
  if (file.hash && file.size !== undefined) return file;
  const url = addressOf(connection, { repo, commit, file });
  const retry = startRetry(connection, url, () => 'further tries failed too; try again later');
  for (;;) {
    try {
      const subject = { repo, revision: commit, path: file.path };
      const { linked, close } = await request(connection, url, subject, { method: 'HEAD' });
      await close();
      const hash = file.hash ?? hashOfEtag(linked.etag);
      const size = file.size ?? linked.size;
      return { path: file.path, ...(size !== undefined && { size }), ...(hash && { hash }) };
    } catch (error) {
      if (!(error instanceof LostConnection)) throw error;
      await retry.after(error);
    }
  }
}

/**
 * Downloads a file into what there is of it, and checks its length and its whole hash. A lost connection is taken up
 * where it was lost; what an earlier run left is gone on with if a hash will show that both halves are of one file.
 *
 * @throws UserError if the hub does not send the file, or sends another; HubUnreachable
 */
export async function downloadInto(
  connection: Connection,
  at: FileAt,
  partial: PartialContent,
  createHasher: CreateHasher,
  onBytes?: OnBytes,
): Promise<void> {
  const { file } = at;
  if (partial.size > 0 && (!file.hash || partial.size > (file.size ?? Infinity))) await partial.restart();
  const resumed = partial.size > 0;
  await receiveAll(connection, at, partial, onBytes);
  let found = await wrongHash(partial, file.hash, createHasher);
  if (found && resumed) {
    connection.onNotice?.(`${file.path}: the hash is wrong; what an earlier run had left is thrown away`);
    await partial.restart();
    await receiveAll(connection, at, partial, onBytes);
    found = await wrongHash(partial, file.hash, createHasher);
  }
  if (!found) return;
  await partial.restart();
  throw new UserError(
    `${addressOf(connection, at)}: the hub says that its ${file.hash!.algorithm} is ${file.hash!.hex}, what was sent has ` +
      `${found}; it is damaged or another file, nothing was kept`,
  );
}

function addressOf({ endpoint }: Connection, { repo, commit, file }: FileAt): string {
  return `${endpoint}/${repo}/resolve/${commit}/${file.path.split('/').map(encodeURIComponent).join('/')}`;
}

/** Takes up lost connections until the file is whole. */
async function receiveAll(
  connection: Connection,
  at: FileAt,
  partial: PartialContent,
  onBytes?: OnBytes,
): Promise<void> {
  const total = at.file.size;
  if (total !== undefined && partial.size === total && total > 0) return onBytes?.(total, total);
  const retry = startRetry(connection, addressOf(connection, at), () => {
    const of = total === undefined ? '' : ` of ${total}`;
    return `further tries got no more than ${partial.size}${of} bytes; run it again to go on from there`;
  });
  /** The strong ETag of the answer that the bytes come from. */
  const version: { etag?: string } = {};
  for (;;) {
    const before = partial.size;
    try {
      return await receive(connection, at, partial, version, onBytes);
    } catch (error) {
      if (!(error instanceof LostConnection)) throw error;
      await retry.after(error, partial.size > before);
      // Without a hash, only the server can say that both halves are of one file.
      if (!at.file.hash && !canAskIfRange(connection, version)) await partial.restart();
    }
  }
}

/** A browser asks another host's permission for the header, which hosts of files do not give. */
function canAskIfRange({ redirects }: Connection, { etag }: { etag?: string }): boolean {
  return redirects === 'manual' && etag !== undefined;
}

/** One request for what is missing. */
async function receive(
  connection: Connection,
  at: FileAt,
  partial: PartialContent,
  version: { etag?: string },
  onBytes?: OnBytes,
): Promise<void> {
  const url = addressOf(connection, at);
  const subject = { repo: at.repo, revision: at.commit, path: at.file.path };
  const answer = await request(connection, url, subject, {
    headers: headersFor(connection, at, partial, version),
  });
  try {
    const { response } = answer;
    refuseOtherFile(url, answer, at);
    refuseWebPage(connection, url, response, at.file.path);
    if (response.status === 200) {
      // Also the answer of a server that gives no ranges, or has another version by now.
      if (partial.size > 0) await partial.restart();
      version.etag = strongEtag(response.headers);
    } else if (!continues(response, partial.size, at.file.size)) {
      await partial.restart();
      throw new LostConnection('the server has another version of the file', true);
    }
    const total = await expectedTotal(connection, url, answer, at.file, partial.size);
    onBytes?.(partial.size, total);
    for (let bytes = await answer.read(); bytes; bytes = await answer.read()) {
      if (total !== undefined && partial.size + bytes.length > total) {
        await partial.restart();
        throw new UserError(
          `${url}: the server sends more than the ${total} bytes that the file has; nothing was kept`,
        );
      }
      await partial.append(bytes);
      onBytes?.(partial.size, total);
    }
    if (total !== undefined && partial.size < total)
      throw new LostConnection('the connection was closed', true);
  } finally {
    await answer.close();
  }
}

function headersFor(
  connection: Connection,
  { file }: FileAt,
  partial: PartialContent,
  version: { etag?: string },
): Record<string, string> {
  // A browser sets this header itself, and does not let a page do it.
  const headers: Record<string, string> =
    connection.redirects === 'manual' ? { 'accept-encoding': 'identity' } : {};
  if (partial.size === 0) return headers;
  headers.range = `bytes=${partial.size}-`;
  if (!file.hash && version.etag) headers['if-range'] = version.etag;
  return headers;
}

function strongEtag(headers: Headers): string | undefined {
  const etag = headers.get('etag');
  return etag === null || etag.startsWith('W/') ? undefined : etag;
}

/** Whether an answer with a part of the file begins where what is there ends. */
function continues(response: Response, size: number, total: number | undefined): boolean {
  const range = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  if (response.status !== 206 || !range) return false;
  const all = range[2] === '*' ? undefined : Number(range[2]);
  return Number(range[1]) === size && (all === undefined || total === undefined || all === total);
}

/** How many bytes there will be. Throws a UserError if the server promises another number than the hub's list. */
async function expectedTotal(
  { settings }: Connection,
  url: string,
  answer: Answer,
  file: HubFile,
  start: number,
): Promise<number | undefined> {
  const { headers } = answer.response;
  const length = headers.get('content-length');
  // The length of an answer that is compressed on the way says nothing of the file's.
  if (length === null || headers.has('content-encoding')) return file.size;
  const promised = start + Number(length);
  if (file.size === undefined || promised === file.size) return promised;
  const beginning = promised <= MAX_STRANGE_BYTES ? await readUpTo(answer, MAX_STRANGE_BYTES) : undefined;
  if (beginning && isLfsPointer(beginning)) {
    throw new UserError(
      `${url}: the server sent a Git LFS pointer and not the file itself; it has not got the file's content; change ` +
        settings.endpoint,
    );
  }
  throw new UserError(`${url}: expected ${file.size} bytes as the hub lists, the server sends ${promised}`);
}

/** What the hub says with the file must be what it said in the list. */
function refuseOtherFile(url: string, { linked }: Answer, { commit, file }: FileAt): void {
  if (linked.commit !== undefined && linked.commit !== commit) {
    throw new UserError(
      `${url}: expected a file of commit ${commit}, the server sends one of ${quote(linked.commit)}`,
    );
  }
  const hash = hashOfEtag(linked.etag);
  if (hash && file.hash?.algorithm === 'sha256' && hash.hex !== file.hash.hex) {
    throw new UserError(
      `${url}: expected the file with hash ${file.hash.hex}, the server sends the one with ${hash.hex}`,
    );
  }
}

function refuseWebPage({ settings }: Connection, url: string, response: Response, path = ''): void {
  if (!/^text\/html\b/i.test(response.headers.get('content-type') ?? '') || /\.html?$/i.test(path)) return;
  throw new UserError(
    `${url}: the server answered with a web page and not with a file; is there a sign-in page in the way, or is ` +
      `${settings.endpoint} not the address of a hub?`,
  );
}

/** The hash that the content has, if it is not the right one. */
async function wrongHash(
  partial: PartialContent,
  expected: ContentHash | undefined,
  createHasher: CreateHasher,
): Promise<string | undefined> {
  if (!expected) return undefined;
  const hasher = createHasher(expected.algorithm === 'sha256' ? 'sha256' : 'sha1');
  if (expected.algorithm === 'git-sha1') hasher.update(new TextEncoder().encode(`blob ${partial.size}\0`));
  for await (const bytes of partial.content()) hasher.update(bytes);
  const found = hasher.digest();
  return found === expected.hex ? undefined : found;
}

async function readUpTo(answer: Answer, limit: number): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for (let bytes = await answer.read(); bytes && length < limit; bytes = await answer.read()) {
    parts.push(bytes);
    length += bytes.length;
  }
  return concatBytes(parts);
}

/** A whole answer as text. */
async function readAll(connection: Connection, answer: Answer, url: string): Promise<string> {
  try {
    refuseWebPage(connection, url, answer.response);
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let bytes = await answer.read(); bytes; bytes = await answer.read()) {
      parts.push(bytes);
      length += bytes.length;
      if (length > MAX_LISTING_BYTES) {
        throw new UserError(
          `${url}: expected a list of files, the server sends more than ${MAX_LISTING_BYTES} bytes`,
        );
      }
    }
    return new TextDecoder().decode(concatBytes(parts));
  } finally {
    await answer.close();
  }
}
