import { mkdir, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { OutputSink } from '../../converters/write/sink.js';
import { UserError } from '../errors.js';
import { writeSynced } from './atomicFile.js';
import { asUserError } from './fileErrors.js';
import { removeLeftovers } from './leftovers.js';
import { replaceFolder } from './replaceFolder.js';

/**
 * A sink for one folder, which appears whole when `write` has done its work, or not at all.
 *
 * @param signal ends it: nothing is left
 * @throws UserError if it cannot be written, holds other files, or the signal came
 */
export async function writeFolder(
  target: string,
  write: (sink: OutputSink) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  const folder = resolve(target);
  await checkReplaceable(folder);
  const parent = dirname(folder);
  const prefix = `.${basename(folder)}.partial-`;
  const beside = join(parent, prefix + process.pid);
  try {
    await mkdir(parent, { recursive: true });
    await removeLeftovers(parent, prefix);
    await rm(beside, { recursive: true, force: true });
    await mkdir(beside);
    await write({
      write: (path, chunks) => writeSynced(join(beside, path), untilAborted(chunks, signal), 'wx'),
    });
    signal?.throwIfAborted();
    await replaceFolder(beside, folder);
  } catch (error) {
    await rm(beside, { recursive: true, force: true }).catch(() => {}); // the first error tells more
    if (signal?.aborted) throw new UserError(`${target}: interrupted; nothing was written`);
    throw asUserError(error, target);
  }
}

async function* untilAborted(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    yield chunk;
  }
}

/** Only a converted model or an empty folder is replaced, so that a wrong argument deletes no files. */
async function checkReplaceable(folder: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return;
    throw new UserError(
      `${folder}: cannot be written to as a folder (${code}); choose another output folder`,
    );
  }
  if (names.length > 0 && !names.includes('model.json') && !names.includes('saved_model.pb')) {
    throw new UserError(
      `${folder}: holds files that are no converted model; choose a new or empty output folder`,
    );
  }
}
