import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { trainConfigs } from '../../../configs/train/index.js';
import { decodeText } from '../../decodeText.js';
import { UserError } from '../../errors.js';
import { shorten } from '../../text.js';

/**
 * A training configuration, not yet checked: a JSON file, a module (.ts, .js, .mjs) whose default export it is, or the
 * name of one of configs/train.
 *
 * @returns the configuration and what to call it in errors
 */
export async function readTrainConfig(source: string): Promise<{ given: unknown; name: string }> {
  if (/\.json$/i.test(source)) return { given: await readJson(source), name: source };
  if (/\.[cm]?[jt]s$/i.test(source)) return { given: await readModule(source), name: source };
  const named = Object.hasOwn(trainConfigs, source) ? trainConfigs[source] : undefined;
  if (named) return { given: named, name: source };
  throw new UserError(
    `${shorten(source)}: give a configuration file (.json, .ts, .js), or one of ${Object.keys(trainConfigs).join(', ')}`,
  );
}

async function readJson(path: string): Promise<unknown> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(
      `${path}: ${error.code === 'ENOENT' ? 'no such file' : `cannot be read (${error.code})`}`,
    );
  });
  const text = decodeText(bytes, path);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path}: is not JSON (${(error as Error).message})`);
  }
}

async function readModule(path: string): Promise<unknown> {
  let module: { default?: unknown };
  try {
    module = await import(pathToFileURL(resolve(path)).href);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND')
      throw new UserError(`${path}: no such file, or it imports one (${message})`);
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION') {
      throw new UserError(
        `${path}: Node ${process.versions.node} does not run TypeScript (22.18 and later do); give .js or .json`,
      );
    }
    throw new UserError(`${path}: cannot be loaded (${message})`);
  }
  if (module.default === undefined) {
    throw new UserError(`${path}: has no default export, which should be the configuration`);
  }
  return module.default;
}
