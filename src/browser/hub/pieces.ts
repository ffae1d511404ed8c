/** Files in a cache of whole entries: pieces of 8 MiB, so that a beginning can be kept and a part be read. */
import { checkRange } from '../../../converters/formats/sources.js';
import type { ByteSource } from '../../../converters/formats/types.js';
import { UserError } from '../../errors.js';
import type { PartialContent } from '../../hub/store.js';
import { type ContentCache, putJson, readJson } from './contentCache.js';

export const PIECE_BYTES = 8 * 2 ** 20;
/** Pieces of a file that are held in memory: most reads go forward, and some over the border of two. */
const HELD = 2;

/** What is known of a whole file; it is put last, so that a file that has it is there whole. */
export interface Manifest {
  /** `OWNER/NAME/PATH`. */
  readonly name: string;
  readonly bytes: number;
  /** SHA-256 of each piece, in hexadecimal; none where the browser cannot compute it. */
  readonly pieces: readonly string[];
  /** When it was used last, as ISO 8601. */
  readonly used: string;
}

export const manifestName = (key: string) => `files/${key}`;
const pieceName = (key: string, index: number) => `pieces/${key}/${index}`;

export async function readManifest(cache: ContentCache, key: string): Promise<Manifest | undefined> {
  const manifest = (await readJson(cache, manifestName(key))) as Manifest | undefined;
  return Number.isSafeInteger(manifest?.bytes) && Array.isArray(manifest!.pieces) ? manifest : undefined;
}

/** Removes a file, or what there is of it. */
export async function removeFile(cache: ContentCache, key: string): Promise<void> {
  await cache.delete(manifestName(key));
  for (const name of await cache.names(`pieces/${key}/`)) await cache.delete(name);
}

/** Random access to a file in the cache; each piece is checked against its hash when it is read. */
export function pieceSource(cache: ContentCache, key: string, manifest: Manifest): ByteSource {
  const { name, bytes: size } = manifest;
  const held = new Map<number, Promise<Uint8Array>>();
  const piece = (index: number): Promise<Uint8Array> => {
    let bytes = held.get(index);
    if (bytes) return bytes;
    bytes = readPiece(cache, key, manifest, index);
    held.set(index, bytes);
    bytes.catch(() => held.delete(index));
    if (held.size > HELD) held.delete(held.keys().next().value!);
    return bytes;
  };
  return {
    name,
    size,
    async read(offset, length) {
      checkRange(name, size, offset, length);
      const index = Math.floor(offset / PIECE_BYTES);
      const start = offset - index * PIECE_BYTES;
      if (length === 0) return new Uint8Array(0);
      if (start + length <= PIECE_BYTES) return (await piece(index)).subarray(start, start + length);
      const result = new Uint8Array(length);
      for (let done = 0; done < length; ) {
        const at = offset + done;
        const from = await piece(Math.floor(at / PIECE_BYTES));
        const part = from.subarray(at % PIECE_BYTES, (at % PIECE_BYTES) + length - done);
        result.set(part, done);
        done += part.length;
      }
      return result;
    },
  };
}

async function readPiece(
  cache: ContentCache,
  key: string,
  { name, bytes: size, pieces }: Manifest,
  index: number,
): Promise<Uint8Array> {
  const bytes = await cache.read(pieceName(key, index));
  const expected = Math.min(PIECE_BYTES, size - index * PIECE_BYTES);
  const hash = pieces[index];
  if (bytes?.length === expected && (!hash || (await sha256(bytes)) === hash)) return bytes;
  await removeFile(cache, key);
  throw new UserError(
    `${name}: the browser's cache has lost or damaged a part of it; load it again, it is then downloaded anew`,
  );
}

/** A file on its way into the cache. */
export async function openPieces(
  cache: ContentCache,
  key: string,
): Promise<PartialContent & { finish(name: string): Promise<Manifest> }> {
  let whole = 0;
  while ((await cache.size(pieceName(key, whole))) === PIECE_BYTES) whole++;
  /** Bytes behind the whole pieces. */
  let rest = new Uint8Array(PIECE_BYTES);
  let used = 0;
  const flush = async () => {
    await cache.put(pieceName(key, whole), rest.slice(0, used));
    whole++;
    used = 0;
  };
  return {
    get size() {
      return whole * PIECE_BYTES + used;
    },
    async restart() {
      await removeFile(cache, key);
      [whole, used] = [0, 0];
    },
    async append(bytes) {
      for (let done = 0; done < bytes.length; ) {
        const part = bytes.subarray(done, done + PIECE_BYTES - used);
        rest.set(part, used);
        used += part.length;
        done += part.length;
        if (used === PIECE_BYTES) await flush();
      }
    },
    async *content() {
      for (let i = 0; i < whole; i++) yield await lostIfNone(cache.read(pieceName(key, i)));
      if (used > 0) yield rest.subarray(0, used);
    },
    async finish(name) {
      const bytes = whole * PIECE_BYTES + used;
      if (used > 0) await flush();
      rest = new Uint8Array(0);
      const pieces: string[] = [];
      for (let i = 0; i < whole && globalThis.crypto?.subtle; i++) {
        pieces.push(await sha256(await lostIfNone(cache.read(pieceName(key, i)))));
      }
      const manifest = { name, bytes, pieces, used: new Date().toISOString() };
      await putJson(cache, manifestName(key), manifest);
      return manifest;
    },
  };
}

async function lostIfNone(
  reading: Promise<Uint8Array<ArrayBuffer> | undefined>,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = await reading;
  if (bytes) return bytes;
  throw new UserError("the browser's cache was emptied during the download; load the model again");
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
