import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PjrtError } from './api.js';
import type { Executable, PjrtDevice } from './device.js';

/**
 * Compiled programs on the disk, one a file, by the hash of the program's text and of what compiled it. A folder that
 * cannot be read or written costs time alone.
 */
export class ProgramCache {
  constructor(
    private readonly device: PjrtDevice,
    private readonly folder: string,
  ) {}

  /** The compiled program, from the disk if it is there. */
  get(text: string): Executable {
    return this.read(text) ?? this.keep(text, this.device.compile(text));
  }

  /** The same, compiling on a thread of Node's pool. */
  async getAsync(text: string): Promise<Executable> {
    return this.read(text) ?? this.keep(text, await this.device.compileAsync(text));
  }

  private file(text: string): string {
    const { platform, kind, index } = this.device;
    const hash = createHash('sha256');
    // A program knows its device.
    const parts = [platform.name, platform.version, kind, ...(index > 0 ? [String(index)] : []), text];
    for (const part of parts) hash.update(part).update('\0');
    return join(this.folder, `${hash.digest('hex')}.xla`);
  }

  private read(text: string): Executable | undefined {
    try {
      return this.device.deserialize(readFileSync(this.file(text)));
    } catch (error) {
      // A program of another build of the same version: it is compiled again and overwritten.
      if (error instanceof PjrtError || (error as NodeJS.ErrnoException).code) return undefined;
      throw error;
    }
  }

  private keep(text: string, executable: Executable): Executable {
    const file = this.file(text);
    const partial = `${file}.${process.pid}`;
    try {
      mkdirSync(this.folder, { recursive: true });
      writeFileSync(partial, this.device.serialize(executable));
      renameSync(partial, file);
    } catch (error) {
      rmSync(partial, { force: true });
      const known = error instanceof PjrtError || (error as NodeJS.ErrnoException).code;
      if (!known) throw error;
    }
    return executable;
  }
}
