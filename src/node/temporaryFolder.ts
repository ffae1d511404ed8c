import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UserError } from '../errors.js';

/** Where Unix keeps temporary files if TMPDIR names no place that can be written. */
const OTHERS = ['/tmp', '/var/tmp'];

/**
 * Makes a folder of this process' own, to be removed by the caller. It lies in the system's temporary folder (TMPDIR); if
 * that cannot be written, in /tmp, /var/tmp or the current folder, and a warning of the process says so.
 *
 * @param prefix first part of its name
 * @throws UserError if no place can be written
 */
export async function makeTemporaryFolder(prefix: string): Promise<string> {
  const places = [...new Set([tmpdir(), ...OTHERS, process.cwd()])];
  const failed: string[] = [];
  for (const place of places) {
    try {
      const folder = await mkdtemp(join(place, prefix));
      if (failed.length > 0)
        process.emitWarning(`${failed.join(', ')}; ${place} is used for temporary files`);
      return folder;
    } catch (error) {
      failed.push(`${place} cannot be written (${(error as NodeJS.ErrnoException).code})`);
    }
  }
  throw new UserError(
    `no place for temporary files: ${failed.join(', ')}; set TMPDIR to a folder that can be written`,
  );
}
