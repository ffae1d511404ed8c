import { type FileHandle, open } from 'node:fs/promises';
import { UserError } from '../errors.js';

/** Writes one JSON value a line; each line is handed to the system whole before write resolves. */
export class JsonLinesWriter {
  private constructor(
    private readonly path: string,
    private readonly file: FileHandle,
  ) {}

  /** Makes the file, or empties it. Throws a UserError if that cannot be. */
  static async create(path: string): Promise<JsonLinesWriter> {
    try {
      return new JsonLinesWriter(path, await open(path, 'w'));
    } catch (error) {
      throw new UserError(`${path}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
    }
  }

  async write(value: unknown): Promise<void> {
    const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
    try {
      let done = 0;
      while (done < bytes.length) done += (await this.file.write(bytes, done)).bytesWritten;
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      throw new UserError(`${this.path}: writing failed (${code === 'ENOSPC' ? 'the disk is full' : code})`);
    }
  }

  close(): Promise<void> {
    return this.file.close();
  }
}
