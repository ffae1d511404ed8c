import type { ByteSource } from '../../converters/formats/types.js';
import { decodeText } from '../decodeText.js';
import { UserError } from '../errors.js';

/** The files of a model, wherever they are: in a folder on the disk, on the hub, in a cache. */
export interface FolderFiles {
  /** Names the folder in messages: its path, or `hf:OWNER/NAME@REVISION`. */
  readonly name: string;
  /** The file that the user named inside the folder (`hf:OWNER/NAME/FILE`); it takes the place of a choice of weights. */
  readonly chosen?: string;
  /** What was assumed about the folder, a line each, to be told to the user. It may grow with every call. */
  readonly notes: readonly string[];
  /** Paths of the files that are known to be there, with `/` between their parts, sorted. */
  list(): Promise<readonly string[]>;
  /**
   * A text file (UTF-8), or undefined if the folder has none of this path.
   *
   * @throws UserError if the path leads out of the folder, or the file cannot be read, is not text or is larger than
   *   MAX_TEXT_BYTES
   */
  readText(path: string): Promise<string | undefined>;
  /**
   * Opens a file for random access; `close` of the folder closes it.
   *
   * @throws UserError if the path leads out of the folder, or there is no such file or it cannot be read
   */
  open(path: string): Promise<ByteSource>;
  /** Closes what was opened. */
  close(): Promise<void>;
}

/** Largest text that is read: the largest index of shards and list of labels known have a few MB. */
const MAX_TEXT_BYTES = 32 * 2 ** 20;

/** A Git LFS pointer has three short lines; its specification says that it is smaller than this. */
const MAX_POINTER_BYTES = 1024;
const POINTER_START = 'version https://git-lfs.github.com/spec/';

/** Throws a UserError unless `path` is a plain relative path that stays inside its folder. */
export function requireInnerPath(folder: string, path: string): void {
  if (isInnerPath(path)) return;
  throw new UserError(
    `${folder}: expected the path of a file in this folder, found ${JSON.stringify(path)}, which leads out of it`,
  );
}

/** Whether a path is relative, with `/` between its parts, and stays inside its folder on every system. */
export function isInnerPath(path: string): boolean {
  if (path === '' || /[\\\0]/.test(path) || /^[A-Za-z]:/.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** Throws a UserError if a file is too large to be read as text. */
export function requireTextSize(name: string, size: number | undefined): void {
  if (size === undefined || size <= MAX_TEXT_BYTES) return;
  throw new UserError(
    `${name}: expected a text file of at most ${MAX_TEXT_BYTES} bytes, found ${size} bytes`,
  );
}

/** The bytes of a source as text. Throws a UserError if they are too many or not UTF-8. */
export async function readTextOf(source: ByteSource): Promise<string> {
  requireTextSize(source.name, source.size);
  return decodeText(await source.read(0, source.size), source.name);
}

/** Throws a UserError if a source holds a Git LFS pointer in place of the file that it stands for. */
export async function refuseLfsPointer(source: ByteSource, remedy: string): Promise<void> {
  if (source.size < POINTER_START.length || source.size > MAX_POINTER_BYTES) return;
  if (isLfsPointer(await source.read(0, source.size))) {
    throw new UserError(`${source.name}: is a Git LFS pointer and not the file itself; ${remedy}`);
  }
}

/** Whether these bytes, a whole file, are a Git LFS pointer. */
export function isLfsPointer(bytes: Uint8Array): boolean {
  if (bytes.length > MAX_POINTER_BYTES) return false;
  return new TextDecoder().decode(bytes.subarray(0, POINTER_START.length)) === POINTER_START;
}
