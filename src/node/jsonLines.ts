import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { decodeText } from '../decodeText.js';
import { UserError } from '../errors.js';
import { asUserError } from './fileErrors.js';
import { makeFolder } from './makeFolder.js';
import { writeAll } from './writeAll.js';

/** Longest line that is read, in bytes: far more than a prediction, far less than memory. */
const MAX_LINE_BYTES = 2 ** 20;

/** Writes one JSON value a line; each line is handed to the system whole before write resolves. */
export class JsonLinesWriter {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    private length: number,
  ) {}

  /** Makes the file, or empties it. Throws a UserError if that cannot be. */
  static async create(path: string): Promise<JsonLinesWriter> {
    return new JsonLinesWriter(path, await openFor(path, 'w'), 0);
  }

  /** Goes on behind the first `length` bytes of the file, or makes it; what stands behind them is cut off. */
  static async append(path: string, length: number): Promise<JsonLinesWriter> {
    const file = await openFor(path, 'a');
    const { size } = await file.stat();
    // Lengthening would fill the file with zeros.
    if (size >= length) await file.truncate(length);
    else {
      await file.close();
      throw new UserError(
        `${path}: has ${size} bytes, and ${length} were written; the file was changed meanwhile`,
      );
    }
    return new JsonLinesWriter(path, file, length);
  }

  /** Length of what is written, in bytes: what append takes. */
  get bytes(): number {
    return this.length;
  }

  async write(value: unknown): Promise<void> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
    try {
      await writeAll(this.file, bytes);
      this.length += bytes.length;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      throw new UserError(
        `${this.path}: writing failed (${code === 'ENOSPC' ? 'the disk is full' : code}); ` +
          'what is written stays, and the same command with --resume goes on from there',
      );
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

async function openFor(path: string, flags: string): Promise<FileHandle> {
  try {
    await makeFolder(dirname(path));
    const file = await open(path, flags);
    const info = await file.stat().catch(async (error) => {
      await file.close();
      throw error;
    });
    if (info.isFile()) return file;
    await file.close();
    throw new UserError(`${path}: is no regular file, in which lines could be counted; give the name of one`);
  } catch (error) {
    const known = asUserError(error, path);
    if (known instanceof UserError) throw known;
    throw new UserError(`${path}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** A line of a file of JSON lines. */
export interface JsonLine {
  readonly value: unknown;
  /** Number of the line, from 1. */
  readonly number: number;
  /** Bytes of the file up to the end of this line. */
  readonly end: number;
}

/** Where a file stops being lines: a power cut leaves zeros where the last blocks were not written. */
export interface JsonDamage {
  /** Number of the first line with zeros in it, from 1. */
  readonly number: number;
  /** Bytes of the whole lines before it. */
  readonly end: number;
}

/**
 * The lines of a file, one at a time. A last line without its end, as a process leaves it that died while it wrote,
 * is left out; a file that is not there has none. Lines end before the first one with zero bytes in it, of which
 * `onDamage` is told. Throws a UserError for a whole line that is not JSON.
 */
export async function* readJsonLines(
  path: string,
  onDamage: (damage: JsonDamage) => void = () => {},
): AsyncGenerator<JsonLine, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  let end = 0;
  for await (const chunk of chunksOf(path)) {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10)) {
      if (bytes.subarray(0, at).includes(0)) return onDamage({ number: number + 1, end });
      number++;
      end += at + 1;
      yield { value: parseLine(bytes.subarray(0, at), `${path}:${number}`), number, end };
      bytes = bytes.subarray(at + 1);
    }
    rest = bytes;
    if (rest.includes(0)) return onDamage({ number: number + 1, end });
    if (rest.length > MAX_LINE_BYTES) {
      throw new UserError(
        `${path}:${number + 1}: a line of more than ${MAX_LINE_BYTES} bytes; not a file of JSON lines`,
      );
    }
  }
}

async function* chunksOf(path: string): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const chunk of createReadStream(path)) yield chunk as Buffer;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT') throw new UserError(`${path}: cannot be read (${code})`);
  }
}

function parseLine(bytes: Buffer, place: string): unknown {
  try {
    return JSON.parse(decodeText(bytes, place));
  } catch {
    throw new UserError(`${place}: not JSON; the file is damaged: repair it, or run without --resume`);
  }
}

/** Bytes of a file's lines that are whole and JSON, of its first `most` bytes. */
export async function intactLength(path: string, most: number): Promise<number> {
  let length = 0;
  try {
    for await (const { end } of readJsonLines(path)) {
      if (end > most) break;
      length = end;
    }
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
  }
  return length;
}
