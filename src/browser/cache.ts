/**
 * Downloaded files kept between visits, in the browser's Cache API. A kept file is used only if the server still has
 * the same one, by ETag, or by date and length; where the server cannot be reached, the kept file serves. Each is
 * checked against its SHA-256 when it is read.
 */
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { checkFetch, download, type FetchFile, fetchFile } from '../models/fetchFile.js';

const CACHE = 'deit-tfjs';
/** An address in the cache that no file has: the list of what is kept, last used last. */
const INDEX = 'https://deit-tfjs.invalid/index.json';

/** Room for the weights of DeiT-base at both sizes and some small models beside. */
const DEFAULT_CACHE_BYTES = 2 ** 30;

interface Entry {
  readonly url: string;
  /** What told this file from another under the same address. */
  readonly identity: string;
  readonly bytes: number;
  /** SHA-256 of the content, in hexadecimal digits. */
  readonly sha256: string;
}

/** Fetches through the cache, which is kept below `maxBytes`: what was used longest ago goes first. */
export function cachedFetch(maxBytes = DEFAULT_CACHE_BYTES): FetchFile {
  checkArguments('cachedFetch', { maxBytes: ['count', maxBytes] });
  return async (url, options = {}) => {
    checkFetch(url, options);
    const page = globalThis.location?.href;
    if (!URL.canParse(url, page)) throw new UserError(`${url}: is no address; give an http(s) URL of it`);
    const address = new URL(url, page).href;
    // Nothing else can be kept, and what lies in this page or on this disk need not be.
    const cache = /^https?:/.test(address) ? await openCache() : undefined;
    if (!cache) return fetchFile(url, options);
    const kept = await orNothing(readKept(cache, address));
    if (kept) {
      const identity = await identityAt(address, options.signal);
      if (identity === kept.entry.identity || identity === 'unreachable') {
        options.onBytes?.(kept.bytes.length, kept.bytes.length);
        await orNothing(remember(cache, kept.entry, maxBytes));
        return kept.bytes;
      }
    }
    const { response, bytes } = await download(url, options);
    const identity = identityOf(response);
    if (identity)
      await orNothing(
        keep(
          cache,
          { url: address, identity, bytes: bytes.length, sha256: await sha256(bytes) },
          bytes,
          maxBytes,
        ),
      );
    return bytes;
  };
}

/** A file that cachedFetch keeps. */
export interface KeptFile {
  readonly url: string;
  readonly bytes: number;
}

/** The files that cachedFetch keeps, the one used last first; none where the browser has no cache. */
export async function listKeptFiles(): Promise<KeptFile[]> {
  const cache = await openCache();
  const entries = (cache && (await orNothing(readIndex(cache)))) ?? [];
  return entries.map(({ url, bytes }) => ({ url, bytes })).reverse();
}

/** Deletes every file that cachedFetch has kept. */
export async function clearCache(): Promise<void> {
  // A sandboxed frame may not even look at `caches`.
  await orNothing((async () => globalThis.caches?.delete(CACHE))());
}

/** A cache that fails (full, broken, forbidden since) does without: the file is fetched. */
async function orNothing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof DOMException || error instanceof TypeError || error instanceof SyntaxError)
      return undefined;
    throw error;
  }
}

/** Undefined where the browser gives none: a page without https, a private window, a sandboxed frame. */
async function openCache(): Promise<Cache | undefined> {
  return orNothing((async () => (globalThis.crypto?.subtle ? globalThis.caches?.open(CACHE) : undefined))());
}

async function readKept(
  cache: Cache,
  url: string,
): Promise<{ entry: Entry; bytes: Uint8Array<ArrayBuffer> } | undefined> {
  const entry = (await readIndex(cache)).find((each) => each.url === url);
  const response = entry && (await cache.match(url));
  if (!response) return undefined;
  const bytes = new Uint8Array(await response.arrayBuffer());
  // The hash also finds a file of another tab, written between the index and the read.
  return (await sha256(bytes)) === entry.sha256 ? { entry, bytes } : undefined;
}

/** What the server says now of the file; `unreachable` if it does not answer, undefined if the file must be fetched. */
async function identityAt(url: string, signal?: AbortSignal): Promise<string | undefined> {
  try {
    // HEAD with no header of ours is asked of another site without a preflight.
    const response = await fetch(url, { method: 'HEAD', cache: 'no-cache', signal });
    return response.ok ? identityOf(response) : undefined;
  } catch {
    signal?.throwIfAborted();
    return 'unreachable';
  }
}

/** An ETag is not shown to other sites unless the server allows it; date and length are. */
function identityOf({ headers }: Response): string | undefined {
  const etag = headers.get('ETag');
  if (etag) return etag;
  const [date, length] = [headers.get('Last-Modified'), headers.get('Content-Length')];
  return date && length ? `${date} ${length}` : undefined;
}

async function keep(
  cache: Cache,
  entry: Entry,
  bytes: Uint8Array<ArrayBuffer>,
  maxBytes: number,
): Promise<void> {
  if (entry.bytes > maxBytes) return;
  // Where the disk or the site's quota is full, the model loads all the same, and the next visit fetches it again.
  await remember(cache, entry, maxBytes);
  await cache.put(entry.url, new Response(bytes, { headers: { 'Content-Length': String(bytes.length) } }));
}

/** Puts an entry at the end of the index, and lets go of the first ones until all fit. */
async function remember(cache: Cache, entry: Entry, maxBytes: number): Promise<void> {
  const entries = (await readIndex(cache)).filter(({ url }) => url !== entry.url);
  entries.push(entry);
  let total = entries.reduce((sum, { bytes }) => sum + bytes, 0);
  while (total > maxBytes && entries.length > 1) {
    const oldest = entries.shift()!;
    await cache.delete(oldest.url);
    total -= oldest.bytes;
  }
  await cache.put(INDEX, new Response(JSON.stringify(entries)));
}

async function readIndex(cache: Cache): Promise<Entry[]> {
  const response = await cache.match(INDEX);
  return response ? ((await response.json()) as Entry[]) : [];
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
