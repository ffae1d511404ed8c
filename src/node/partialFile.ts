import { type FileHandle, open, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UserError } from '../errors.js';
import { writeAll } from './writeAll.js';

/** Which version of a file on a server a partial file is of. */
export interface FileVersion {
  /** The server's strong ETag, else its Last-Modified, to be sent back as If-Range; null if it gave neither. */
  readonly validator: string | null;
  /** Size of the whole file in bytes, null if the server did not say. */
  readonly total: number | null;
}

/**
 * A file on its way: what has come of it lies in `TARGET.partial`, and in `TARGET.partial.json` which version that is,
 * so that a later run goes on where this one stopped. Neither is left when it is finished or discarded.
 */
export class PartialFile {
  readonly path: string;
  private readonly versionPath: string;
  private file: FileHandle | undefined;

  private constructor(
    /** Path of the file when it is whole. */
    readonly target: string,
    /** Bytes that are there. */
    public size: number,
    /** Of the bytes that are there, if known. */
    public version: FileVersion | undefined,
  ) {
    this.path = `${target}.partial`;
    this.versionPath = `${this.path}.json`;
  }

  /** What an earlier run left of `target`, or an empty one. */
  static async find(target: string): Promise<PartialFile> {
    const found = await stat(`${target}.partial`).catch(() => undefined);
    const version = await readFile(`${target}.partial.json`, 'utf8')
      .then((text) => JSON.parse(text) as FileVersion)
      .catch(() => undefined);
    return new PartialFile(target, found?.size ?? 0, version);
  }

  /** Empties it, for a version of which all bytes are to come. */
  async restart(version: FileVersion): Promise<void> {
    await this.inWords(async () => {
      this.file ??= await open(this.path, 'w');
      // A device in its place cannot be cut; a plain file was by 'w', unless it was open before.
      if (this.size > 0) await this.file.truncate(0);
      this.size = 0;
      this.version = version;
      await writeFile(this.versionPath, JSON.stringify(version));
    });
  }

  /** Puts bytes behind those that are there. Throws a UserError if the disk is full or may not be written. */
  async append(bytes: Uint8Array): Promise<void> {
    await this.inWords(async () => {
      this.file ??= await open(this.path, 'r+');
      await writeAll(this.file, bytes, {
        position: this.size,
        onWritten: (count) => {
          this.size += count;
        },
      });
    });
  }

  /** Throws a UserError if the disk has no room for what is still to come. */
  async requireRoom(): Promise<void> {
    const total = this.version?.total;
    if (total == null) return;
    const { bavail, bsize } = await statfs(dirname(this.path));
    const [missing, free] = [total - this.size, bavail * bsize];
    if (missing <= free) return;
    throw new UserError(
      `${this.target}: needs ${megabytes(missing)} MB more, the disk has ${megabytes(free)} MB free; ` +
        'free some space or choose another place with --out',
    );
  }

  /** Gives the whole file its name. */
  async finish(): Promise<void> {
    await this.inWords(async () => {
      await this.file?.sync();
      await this.close();
      await rename(this.path, this.target);
      await rm(this.versionPath, { force: true });
    });
  }

  /** Removes it. */
  async discard(): Promise<void> {
    await this.close();
    await rm(this.path, { force: true });
    await rm(this.versionPath, { force: true });
    this.size = 0;
    this.version = undefined;
  }

  /** Leaves it for a later run. */
  async close(): Promise<void> {
    await this.file?.close();
    this.file = undefined;
  }

  private async inWords(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'ENOSPC') {
        throw new UserError(
          `${this.path}: the disk is full; free some space and run the same command again, or choose another place with --out`,
        );
      }
      throw new UserError(`${this.path}: cannot be written (${code ?? message}); choose a place with --out`);
    }
  }
}

/** Bytes in megabytes, for messages. */
export function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
