import { readdir, readFile, rm, rmdir, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { UserError } from '../../errors.js';
import type { TrainConfig } from '../../train/config.js';
import { writeFileAtomically } from '../atomicFile.js';
import { asUserError } from '../fileErrors.js';
import { makeFolder } from '../makeFolder.js';
import { lockFolder } from './lock.js';
import { fixedFields } from './runIdentity.js';

/** What a run leaves in its output folder. */
export const FILES = {
  config: 'config.json',
  /** All that --resume needs. */
  checkpoint: 'checkpoint.safetensors',
  metrics: 'metrics.jsonl',
  tensorboard: 'tensorboard',
  curve: 'learning-curve.svg',
  /** A layers model each, and the same as a state_dict in NAME.safetensors. */
  best: 'best',
  last: 'last',
} as const;

/** An output folder that is this process' own. */
export interface RunFolder {
  readonly path: string;
  file(name: keyof typeof FILES): string;
  /** Whether there is a checkpoint to go on from. */
  readonly resumes: boolean;
  /** Writes the configuration: from here on the folder holds a run. Called once all that can be checked is. */
  begin(): Promise<void>;
  /** Gives the folder free; what was made of folders for a run that did not begin is removed. */
  release(): Promise<void>;
}

/** The configuration of the run in a folder. */
export async function storedConfig(folder: string): Promise<unknown> {
  const path = join(folder, FILES.config);
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UserError(`${path}: no such file, so there is no run to go on with; give a configuration`);
  });
  try {
    return JSON.parse(text);
  } catch {
    throw new UserError(`${path}: is not JSON, so the run cannot go on; choose another output folder`);
  }
}

/**
 * Makes or opens the output folder, locks it and checks that it is empty, or holds this very run if it is to go on.
 * Nothing is written but the lock, until begin().
 */
export async function openRunFolder(config: TrainConfig, resume: boolean): Promise<RunFolder> {
  const folder = config.output;
  let made: string | undefined;
  try {
    made = await makeFolder(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw new UserError(`${folder}: is or lies in a file; choose another output folder`);
    }
    throw asUserError(error, folder);
  }
  let begun = false;
  const unlock = await lockFolder(folder);
  const release = async () => {
    await unlock();
    if (!begun && made !== undefined) await removeEmpty(folder, made);
  };
  try {
    const names = (await readdir(folder)).filter((name) => name !== 'train.lock');
    await removeLeftovers(folder, names);
    // A configuration alone is what a run leaves that was refused, or killed, before its first step: nothing to go on with.
    const hasRun = names.includes(FILES.config) && names.some((name) => isOfRun(name));
    if (hasRun && !resume) {
      throw new UserError(
        `${folder}: holds a run; go on with it by --resume, or choose another output folder`,
      );
    }
    if (!hasRun && names.some((name) => !name.startsWith('.') && name !== FILES.config)) {
      throw new UserError(
        `${folder}: holds files that are no training run; choose a new or empty output folder`,
      );
    }
    if (hasRun) checkSameRun(await storedConfig(folder), config, folder);
    return {
      path: folder,
      file: (name) => join(folder, FILES[name]),
      resumes: hasRun && names.includes(FILES.checkpoint),
      begin: async () => {
        const text = new TextEncoder().encode(`${JSON.stringify(config, null, 2)}\n`);
        await writeFileAtomically(join(folder, FILES.config), [text]);
        begun = true;
      },
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Whether a file is one of a run that began, its configuration aside. */
function isOfRun(name: string): boolean {
  return name !== FILES.config && Object.values<string>(FILES).some((file) => name.startsWith(file));
}

/** Removes a folder and those around it up to `first`, as long as nothing lies in them. */
async function removeEmpty(folder: string, first: string): Promise<void> {
  const top = resolve(first);
  for (let path = resolve(folder); path.startsWith(top); path = dirname(path)) {
    const removed = await rmdir(path).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}

/** What a killed run was writing. */
async function removeLeftovers(folder: string, names: string[]): Promise<void> {
  for (const name of names.filter((name) => /^\..*\.partial-\d+/.test(name))) {
    await rm(join(folder, name), { recursive: true, force: true });
  }
}

function checkSameRun(stored: unknown, config: TrainConfig, folder: string): void {
  const [of, given] = [stored, config].map(fixedFields);
  for (const field of Object.keys(given!)) {
    const [before, now] = [of!, given!].map((fields) => JSON.stringify(fields[field]));
    if (before === now) continue;
    throw new UserError(
      `${folder}: the run there has ${field} ${before}, not ${now}; --resume goes on with the same run: ` +
        'leave the field as it was, or choose another output folder',
    );
  }
}

/** Throws a UserError if a disk has not the room for what a run writes. */
export async function checkRoom(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= bytes) return;
  const mib = (count: number) => `${Math.ceil(count / 2 ** 20)} MiB`;
  throw new UserError(
    `${folder}: the run needs ${mib(bytes)} for its checkpoints, the disk has ${mib(free)} free; ` +
      'free some space or choose another output folder',
  );
}
