import { readdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { unzip, type ZipEntry } from 'unzipit';
import { UserError } from '../../../errors.js';
import { openFileSource } from '../../fileSource.js';
import { makeFolder } from '../../makeFolder.js';
import { tensorflowVersion } from '../folder.js';
import { type CommandOptions, type ProgramCall, run } from './commands.js';
import type { Platform } from './platform.js';

/**
 * Downloads a wheel by pip, from whatever index the user's pip takes it. Wheels for one Python are as good as for
 * another here: only the C library in them is used.
 *
 * @param requirement e.g. `tensorflow-cpu==2.15.1`
 * @returns path of the wheel
 */
export async function downloadWheel(
  pip: ProgramCall,
  requirement: string,
  folder: string,
  { wheelTags }: Platform,
  options: CommandOptions,
): Promise<string> {
  const target = join(folder, requirement.replace(/[^\w.-]+/g, '-'));
  await makeFolder(target);
  const python = ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311', '--abi', 'none'];
  const platforms = wheelTags.flatMap((tag) => ['--platform', tag]);
  const where = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--dest', target];
  await run(pip, ['download', requirement, ...python, ...platforms, ...where], options);
  const [wheel] = (await readdir(target)).filter((name) => name.endsWith('.whl'));
  if (!wheel) throw new UserError(`pip download ${requirement}: gave no wheel`);
  return join(target, wheel);
}

/** The TensorFlow wheel whose C library is taken. */
export function tensorflowRequirement({ cpuWheel }: Platform, cuda: boolean): string {
  return `${cuda ? 'tensorflow' : cpuWheel}==${tensorflowVersion(cuda)}`;
}

/**
 * NVIDIA's libraries that go with a TensorFlow wheel, as its own metadata names them (`tensorflow[and-cuda]`); without
 * nvcc, which only XLA's compiler calls, and cupti, which only the profiler does.
 */
export async function cudaRequirements(wheel: string): Promise<string[]> {
  return withWheel(wheel, async (files) => {
    const metadata = [...files.values()].find(({ name }) => name.endsWith('.dist-info/METADATA'));
    const text = (await metadata?.text()) ?? '';
    // As PEP 508 allows: `(==12.2.5.6)`, `==12.5.3.2`, `<13.0,>=12.5.3.2`.
    const found = [
      ...text.matchAll(/^Requires-Dist: (nvidia-[\w-]+) ?\(?([\w.,<>=!~* ]+)\)? ?;.*and-cuda/gm),
    ];
    if (found.length === 0)
      throw new UserError(`${wheel}: names no libraries of NVIDIA; is it for the CPU only?`);
    return found
      .filter(([, name]) => !/-(nvcc|cupti)-/.test(name!))
      .map(([, name, versions]) => `${name}${versions!.replaceAll(' ', '')}`);
  });
}

/** The files in a wheel, by name. */
export type WheelFiles = ReadonlyMap<string, ZipEntry>;

/** Opens a wheel, which is a zip archive, for some work. */
export async function withWheel<T>(path: string, work: (files: WheelFiles) => Promise<T>): Promise<T> {
  const file = await openFileSource(path);
  try {
    const { entries } = await unzip({
      getLength: async () => file.size,
      read: async (offset, length) => new Uint8Array(await file.read(offset, length)),
    });
    return await work(new Map(Object.entries(entries)));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${path}: cannot be unpacked (${(error as Error).message})`);
  } finally {
    await file.close();
  }
}

/** Writes one file of a wheel to a path, whose folder is made if needed. */
export async function extract(entry: ZipEntry, path: string): Promise<void> {
  await makeFolder(dirname(path));
  await writeFile(path, new Uint8Array(await entry.arrayBuffer()));
}
