import { realpath, rename, rm, stat } from 'node:fs/promises';
import { asUserError } from './fileErrors.js';
import { JsonLinesWriter } from './jsonLines.js';
import { lockPath } from './lock.js';
import { removeAtSignal } from './removeAtSignal.js';

/** The file of an evaluation's predictions. What it held before stays, beside it, until the evaluation is whole. */
export interface PredictionsFile {
  write(value: unknown): Promise<void>;
  /**
   * Closes the file.
   *
   * @param whole whether the evaluation is; what the file held before is deleted then
   * @returns the name under which what the file held before is kept, if it is
   */
  end(whole: boolean): Promise<string | undefined>;
}

/**
 * Opens a file of predictions for this process alone. Nothing in it is touched before the first line is written.
 *
 * @param kept bytes at its front that stay, where a run goes on
 * @throws UserError if another run writes to it
 */
export async function openPredictions(path: string, kept: number | undefined): Promise<PredictionsFile> {
  const unlock = await lockPath(`${path}.lock`, {
    doing: `writing ${path}`,
    instead: 'give this run a file of its own',
  });
  const forget = removeAtSignal(`${path}.lock`);
  const release = async () => {
    forget();
    await unlock();
  };
  let former: string | undefined;
  const begin = async (): Promise<JsonLinesWriter> => {
    if (kept !== undefined) return JsonLinesWriter.append(path, kept);
    former = await putAside(path);
    return JsonLinesWriter.create(path);
  };
  let writer: JsonLinesWriter | undefined;
  try {
    if (kept !== undefined) writer = await begin();
  } catch (error) {
    await release();
    throw error;
  }
  return {
    write: async (value) => {
      writer ??= await begin();
      await writer.write(value);
    },
    end: async (whole) => {
      try {
        if (whole) writer ??= await begin();
        await writer?.close();
        if (!whole || former === undefined) return former;
        await rm(former, { force: true });
        return undefined;
      } finally {
        await release();
      }
    },
  };
}

/** Renames a file that holds something; gives its new name, which no file had. A link to it stays. */
async function putAside(path: string): Promise<string | undefined> {
  const place = await realpath(path).catch(() => path);
  const size = async (name: string) => (await stat(name).catch(() => undefined))?.size;
  if (!(await size(place))) return undefined;
  let name = `${place}.before`;
  for (let number = 2; (await size(name)) !== undefined; number++) name = `${place}.before-${number}`;
  await rename(place, name).catch((error) => {
    throw asUserError(error, path);
  });
  return name;
}
