import { access, constants, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';
import type { OutputSink } from '../../converters/write/sink.js';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { oneLine } from '../text.js';
import { writeSynced } from './atomicFile.js';
import { asUserError } from './fileErrors.js';
import { removeLeftovers } from './leftovers.js';
import { makeFolder } from './makeFolder.js';
import { removeAtSignal } from './removeAtSignal.js';
import { refillFolder, replaceFolder } from './replaceFolder.js';

/** What tells that a folder holds a model; a folder that is refilled gets them last. */
const INDICES = ['model.json', 'saved_model.pb'];

/** What models of tfjs and TensorFlow consist of, and what file managers add. */
const PARTS =
  /^(group\d+-shard\d+of\d+(\.bin)?|weights\.bin|conversion\.json|variables|assets|assets\.extra|fingerprint\.pb|keras_metadata\.pb|\.DS_Store|\._.*|\.nfs.*|Thumbs\.db|desktop\.ini)$/;

/**
 * A sink for one folder, which appears whole when `write` has done its work, or not at all. A folder that cannot be
 * replaced, as it is another disk's or the current one, or as nothing may be made beside it, is refilled: it has no model
 * for a moment, and never half of one.
 *
 * @param signal ends it: nothing is left
 * @throws UserError if it cannot be written, holds other files, or the signal came
 */
export async function writeFolder(
  target: string,
  write: (sink: OutputSink) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  checkArguments('writeFolder', { target: ['text', target], write: ['function', write] });
  if (target === '') throw new UserError('the name of the output folder is an empty text');
  // Where a link stands for the folder, it stays, and what it points to is written.
  const folder = await realpath(target).catch(() => resolve(target));
  await checkReplaceable(folder, target);
  const stays = await mustStay(folder);
  const parent = stays ? folder : dirname(folder);
  const prefix = partialPrefix(folder);
  const beside = join(parent, prefix + process.pid);
  const written = removeAtSignal(beside);
  try {
    await makeFolder(parent);
    await removeLeftovers(parent, prefix);
    await rm(beside, { recursive: true, force: true });
    await mkdir(beside);
    await write({
      write: (path, chunks) => writeSynced(join(beside, path), untilAborted(chunks, signal), 'wx'),
    });
    signal?.throwIfAborted();
    await (stays ? refillFolder(beside, folder, INDICES) : replaceFolder(beside, folder));
  } catch (error) {
    await rm(beside, { recursive: true, force: true }).catch(() => {}); // the first error tells more
    if (signal?.aborted) throw new UserError(`${target}: interrupted; nothing was written`);
    throw asUserError(error, target);
  } finally {
    written();
  }
}

const partialPrefix = (folder: string) => `.${basename(folder)}.partial-`;

/** Whether a folder that is there cannot be put aside: a mount, the current folder or one above it, one in a folder of others. */
async function mustStay(folder: string): Promise<boolean> {
  const own = await stat(folder).catch(() => undefined);
  if (!own) return false;
  if (!relative(folder, process.cwd()).startsWith('..')) return true;
  const { dev } = await stat(dirname(folder));
  const beside = access(dirname(folder), constants.W_OK).then(
    () => true,
    () => false,
  );
  return own.dev !== dev || !(await beside);
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
async function checkReplaceable(folder: string, target: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') return;
    throw new UserError(
      `${target}: cannot be written to as a folder (${code}); choose another output folder`,
    );
  }
  const others = names.filter((name) => !name.startsWith(partialPrefix(folder)));
  if (others.length > 0 && !others.some((name) => INDICES.includes(name))) {
    throw new UserError(
      `${target}: holds files that are no converted model; choose a new or empty output folder`,
    );
  }
  const foreign = others.find((name) => !INDICES.includes(name) && !PARTS.test(name));
  if (foreign === undefined) return;
  throw new UserError(
    `${target}: holds ${oneLine(foreign)} beside a converted model, which would be lost; move it away, or choose another output folder`,
  );
}
