import { type Reader, unzipRaw, type ZipEntry } from 'unzipit';
import { UserError } from '../../src/errors.js';
import { MAX_INFLATE_RATIO, MAX_ZIP_DIRECTORY_BYTES, MIN_INFLATE_BYTES } from './limits.js';
import { quote } from './quote.js';
import { bytesSource, checkRange } from './sources.js';
import type { ByteSource } from './types.js';

/** Fixed part of the header before an entry's data; its name and extra field follow. */
const LOCAL_HEADER_BYTES = 30;
const LOCAL_SIGNATURE = 0x04034b50;

/** The record that ends an archive: its signature, and its length without the comment. */
const END_SIGNATURE = [0x50, 0x4b, 0x05, 0x06];
const END_RECORD_BYTES = 22;
/** Opens a directory line; its flags stand at byte 8. */
const LINE_SIGNATURE = [0x50, 0x4b, 0x01, 0x02];
/** So much of the file's end is searched for that record. */
const TAIL_BYTES = 2 ** 18;

/** Compression methods. */
const STORED = 0;
const DEFLATED = 8;

/** The entries of a zip archive, by name, read where they lie. */
export interface ZipArchive {
  readonly names: readonly string[];
  has(name: string): boolean;
  /** Length in bytes, as the directory declares it. */
  size(name: string): number;
  /** Whether the entry's bytes lie in the file as they are. */
  isStored(name: string): boolean;
  /** Bytes of an entry that is read once: a deflated one is inflated for it and not kept. */
  read(name: string, offset: number, length: number): Promise<Uint8Array>;
  /** The first `length` bytes of an entry, or all if it is shorter; of a deflated one no more is inflated than needed. */
  head(name: string, length: number): Promise<Uint8Array>;
  /**
   * Random access to an entry. A stored one is read where it lies; a deflated one is inflated whole, once.
   * Throws a UserError if its header is not its own, or its bytes are also another entry's.
   */
  open(name: string): Promise<ByteSource>;
}

/** Reads the directory of a zip archive. Throws a UserError if there is none or it contradicts itself or the file. */
export async function openZip(source: ByteSource): Promise<ZipArchive> {
  const reader = new LocatingReader(source, await archiveEnd(source));
  const { entries } = await unzipit(source, 'its directory', () => unzipRaw(reader)).catch(async (error) => {
    throw (await looksEncrypted(source)) ? encrypted(source) : error;
  });
  if (entries.some(({ encrypted }) => encrypted)) throw encrypted(source);
  const byName = new Map<string, ZipEntry>();
  for (const entry of entries) {
    if (byName.has(entry.name))
      throw new UserError(`${source.name}: two zip entries are named ${quote(entry.name)}.`);
    byName.set(entry.name, entry);
  }
  return new OpenZip(source, reader, byName);
}

function encrypted({ name }: ByteSource): UserError {
  return new UserError(
    `${name}: an encrypted zip archive; unpack it with its password and give the checkpoint that was in it.`,
  );
}

/** Whether a directory line among the last bytes has the flag: encrypted entries break other rules as well. */
async function looksEncrypted(source: ByteSource): Promise<boolean> {
  const start = Math.max(0, source.size - TAIL_BYTES);
  const tail = await source.read(start, source.size - start);
  for (let at = tail.indexOf(0x50); at >= 0 && at + 9 < tail.length; at = tail.indexOf(0x50, at + 1)) {
    const isLine = LINE_SIGNATURE.every((byte, i) => tail[at + i] === byte);
    if (isLine && (tail[at + 8]! & 1) === 1) return true;
  }
  return false;
}

/**
 * Where the archive ends: at the file's end, or where nothing but zeros follow, which copies to whole blocks leave
 * behind. Only the last bytes are looked at.
 */
async function archiveEnd(source: ByteSource): Promise<number> {
  const start = Math.max(0, source.size - TAIL_BYTES);
  const tail = await source.read(start, source.size - start);
  if (tail.at(-1) !== 0) return source.size;
  for (let at = tail.length - END_RECORD_BYTES; at >= 0; at--) {
    if (END_SIGNATURE.some((byte, i) => tail[at + i] !== byte)) continue;
    const end = at + END_RECORD_BYTES + tail[at + 20]! + tail[at + 21]! * 256;
    const isPadding = end < tail.length && tail.subarray(end).every((byte) => byte === 0);
    return isPadding ? start + end : source.size;
  }
  return source.size;
}

class OpenZip implements ZipArchive {
  readonly names: readonly string[];
  /** Stretches of the file taken by opened entries. */
  readonly #taken: { start: number; end: number; name: string }[] = [];
  readonly #opened = new Map<string, Promise<ByteSource>>();
  #inflated = 0;

  constructor(
    readonly source: ByteSource,
    readonly reader: LocatingReader,
    readonly entries: ReadonlyMap<string, ZipEntry>,
  ) {
    this.names = [...entries.keys()];
  }

  has(name: string): boolean {
    return this.entries.has(name);
  }

  size(name: string): number {
    return this.#entry(name).size;
  }

  isStored(name: string): boolean {
    return this.#entry(name).compressionMethod === STORED;
  }

  async read(name: string, offset: number, length: number): Promise<Uint8Array> {
    const opened = await this.open(name);
    const entry = this.#entry(name);
    if (entry.compressionMethod === STORED) return opened.read(offset, length);
    checkRange(opened.name, entry.size, offset, length);
    const bytes = await unzipit(this.source, quote(name), () => entry.arrayBuffer());
    return new Uint8Array(bytes, offset, length);
  }

  async head(name: string, length: number): Promise<Uint8Array> {
    const entry = this.#entry(name);
    const wanted = Math.min(length, entry.size);
    if (entry.compressionMethod !== DEFLATED) return (await this.open(name)).read(0, wanted);
    const { dataStart } = await unzipit(this.source, quote(name), () => this.reader.locate(entry));
    const packed = chunkedStream(this.source, dataStart, entry.compressedSize, HEAD_CHUNK);
    return unzipit(this.source, quote(name), () => firstBytes(packed, wanted));
  }

  open(name: string): Promise<ByteSource> {
    let opened = this.#opened.get(name);
    if (opened === undefined) {
      opened = this.#open(this.#entry(name));
      this.#opened.set(name, opened);
    }
    return opened;
  }

  #entry(name: string): ZipEntry {
    const entry = this.entries.get(name);
    if (entry === undefined)
      throw new UserError(`${this.source.name}: the zip entry ${quote(name)} is missing.`);
    return entry;
  }

  async #open(entry: ZipEntry): Promise<ByteSource> {
    const { source } = this;
    const place = await unzipit(source, quote(entry.name), () => this.reader.locate(entry));
    this.#take(entry.name, place);
    const inner = `${source.name}: ${quote(entry.name)}`;
    if (entry.compressionMethod === STORED) return sliceSource(source, inner, place.dataStart, entry.size);
    if (entry.compressionMethod !== DEFLATED) {
      throw new UserError(
        `${source.name}: the zip entry ${quote(entry.name)} is compressed by method ${entry.compressionMethod}; ` +
          'zip the checkpoint again without compression.',
      );
    }
    this.#allowInflating(entry);
    return inflatedSource(inner, entry.size, () =>
      unzipit(source, quote(entry.name), () => entry.arrayBuffer()),
    );
  }

  #take(name: string, { headerStart, dataEnd }: EntryPlace): void {
    const low = this.#firstAfter(headerStart);
    const before = this.#taken[low - 1];
    const after = this.#taken[low];
    const other = before !== undefined && before.end > headerStart ? before : after;
    if (other !== undefined && other.start < dataEnd && headerStart < other.end) {
      throw new UserError(
        `${this.source.name}: the zip entries ${quote(other.name)} and ${quote(name)} overlap.`,
      );
    }
    this.#taken.splice(low, 0, { start: headerStart, end: dataEnd, name });
  }

  #firstAfter(start: number): number {
    let low = 0;
    let high = this.#taken.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#taken[middle]!.start < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #allowInflating(entry: ZipEntry): void {
    this.#inflated += entry.size;
    const most = Math.max(MIN_INFLATE_BYTES, MAX_INFLATE_RATIO * this.source.size);
    if (this.#inflated > most) {
      throw new UserError(
        `${this.source.name}: the zip entry ${quote(entry.name)} inflates to ${entry.size} bytes, with those before it ` +
          `more than the ${most} that are read; zip the checkpoint again without compression.`,
      );
    }
  }
}

interface EntryPlace {
  readonly headerStart: number;
  readonly dataStart: number;
  readonly dataEnd: number;
}

/** Thrown to end a request as soon as it has told where the header is. */
class HeaderAt {
  constructor(readonly offset: number) {}
}

/**
 * unzipit's way to the file. It keeps no offsets for its callers, but the first thing it asks its reader for, when an
 * entry is to be read, is that entry's header: so a request is made and ended there.
 */
class LocatingReader implements Reader {
  #isLocating = false;

  constructor(
    readonly source: ByteSource,
    /** Length of the archive, which begins where the file does. */
    readonly end: number,
  ) {}

  async getLength(): Promise<number> {
    return this.end;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#isLocating) throw new HeaderAt(offset);
    if (length > MAX_ZIP_DIRECTORY_BYTES) {
      throw new UserError(
        `${this.source.name}: its zip directory has ${length} bytes; at most ${MAX_ZIP_DIRECTORY_BYTES} are read.`,
      );
    }
    return (await this.source.read(offset, length)) as Uint8Array<ArrayBuffer>;
  }

  async readStream(offset: number, length: number): Promise<ReadableStream<Uint8Array<ArrayBuffer>>> {
    return chunkedStream(this.source, offset, length);
  }

  /** Where the entry's header and data lie. Must not be called again, nor an entry be read, before it is done. */
  async locate(entry: ZipEntry): Promise<EntryPlace> {
    const headerStart = await this.#headerStart(entry);
    const nameBytes = entry.nameBytes.byteLength;
    const header = await this.source.read(headerStart, LOCAL_HEADER_BYTES + nameBytes);
    const fields = new DataView(header.buffer, header.byteOffset, LOCAL_HEADER_BYTES);
    const name = header.subarray(LOCAL_HEADER_BYTES);
    const isOwn =
      fields.getUint32(0, true) === LOCAL_SIGNATURE &&
      fields.getUint16(26, true) === nameBytes &&
      name.every((byte, i) => byte === entry.nameBytes[i]);
    // A directory line that points at another entry would give that one's data under its name.
    if (!isOwn) {
      throw new UserError(
        `${this.source.name}: the zip directory has ${quote(entry.name)} at byte ${headerStart}, but its header is not ` +
          'there; the file is damaged or was put together wrongly.',
      );
    }
    const dataStart = headerStart + LOCAL_HEADER_BYTES + nameBytes + fields.getUint16(28, true);
    const dataEnd = dataStart + entry.compressedSize;
    checkRange(
      `${this.source.name}: ${quote(entry.name)}`,
      this.source.size,
      dataStart,
      entry.compressedSize,
    );
    return { headerStart, dataStart, dataEnd };
  }

  async #headerStart(entry: ZipEntry): Promise<number> {
    this.#isLocating = true;
    try {
      await entry.arrayBuffer();
    } catch (error) {
      if (error instanceof HeaderAt) return error.offset;
      throw error;
    } finally {
      this.#isLocating = false;
    }
    throw new Error(`${entry.name}: unzipit read an entry without its header`);
  }
}

/** What is read at once of an entry to be inflated, whole or for its first bytes. */
const CHUNK = 2 ** 20;
const HEAD_CHUNK = 2 ** 12;

/** The first bytes that a raw deflate stream inflates to. */
async function firstBytes(
  packed: ReadableStream<Uint8Array<ArrayBuffer>>,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const reader = packed.pipeThrough(new DecompressionStream('deflate-raw')).getReader();
  let done = 0;
  try {
    while (done < length) {
      const { value } = await reader.read();
      if (value === undefined) throw new Error(`inflates to ${done} bytes, where ${length} are declared`);
      const part = value.subarray(0, length - done);
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  } finally {
    await reader.cancel().catch(() => {}); // a stream that failed says so again
  }
}

function chunkedStream(
  source: ByteSource,
  start: number,
  length: number,
  chunk = CHUNK,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let done = 0;
  return new ReadableStream({
    async pull(controller) {
      if (done >= length) return controller.close();
      const size = Math.min(chunk, length - done);
      // A copy: the inflater may take the buffer over.
      controller.enqueue((await source.read(start + done, size)).slice() as Uint8Array<ArrayBuffer>);
      done += size;
    },
  });
}

function sliceSource(source: ByteSource, name: string, start: number, size: number): ByteSource {
  return {
    name,
    size,
    async read(offset, length) {
      checkRange(name, size, offset, length);
      return source.read(start + offset, length);
    },
  };
}

/** Inflates at the first read, and keeps the bytes. */
function inflatedSource(name: string, size: number, inflate: () => Promise<ArrayBuffer>): ByteSource {
  let inflated: Promise<ByteSource> | undefined;
  return {
    name,
    size,
    async read(offset, length) {
      inflated ??= inflate().then((bytes) => bytesSource(bytes, name));
      return (await inflated).read(offset, length);
    },
  };
}

/** unzipit reports what it finds by plain errors, or by the TypeErrors of what it trips over. */
async function unzipit<T>(source: ByteSource, what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof UserError) throw error;
    const message = error instanceof Error ? error.message : String(error);
    if (/encrypt/.test(message)) throw encrypted(source);
    // It reads numbers beyond the end as NaN, and says so.
    const reason = message.includes('NaN') ? 'it ends too early' : quote(message).slice(1, -1);
    throw new UserError(
      `${source.name}: a zip archive that cannot be read (${what}: ${reason}); ` +
        'it is cut short or damaged; download it again.',
    );
  }
}
