import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { UserError } from '../../errors.js';
import { howToInstall } from '../optionalPackages.js';
import { pollGently } from './polling.js';

/** What is used of the npm package webgpu, which is Dawn, Chromium's WebGPU, for Node. */
export interface Dawn {
  create(flags: readonly string[]): GPU;
  readonly globals: Readonly<Record<string, unknown>>;
}

const PACKAGE = 'webgpu';
const INSTALL = `\`${howToInstall('webgpu')}\` installs it`;

let loaded: Promise<Dawn> | undefined;

/**
 * Loads the package webgpu, the one that the program or this package can import, and gives tfjs' WebGPU backend the
 * classes and constants (GPUBuffer, GPUBufferUsage …) that it takes for global.
 *
 * @throws UserError if it is not installed, or has no binary for this system
 */
export function loadDawn(): Promise<Dawn> {
  loaded ??= importDawn().then((dawn) => {
    pollGently(dawn.globals);
    addGlobals(dawn.globals);
    return dawn;
  });
  loaded.catch(() => {
    loaded = undefined;
  });
  return loaded;
}

/**
 * Where the package webgpu is.
 *
 * @throws UserError if it is not installed
 */
export function findDawn(): string {
  // Not by new URL('.', …): bundlers take that for a file to come along, and Next.js fails.
  const entry = findEntry([process.cwd(), dirname(fileURLToPath(import.meta.url))]);
  if (!entry) throw new UserError(`the package webgpu is not installed; ${INSTALL}`);
  return entry;
}

async function importDawn(): Promise<Dawn> {
  const entry = findDawn();
  try {
    return (await import(pathToFileURL(entry).href)) as Dawn;
  } catch (error) {
    const [line] = (error as Error).message.split('\n');
    const system = `${process.platform}-${process.arch}`;
    throw new UserError(
      `the package webgpu cannot be loaded on ${system} (${line}); it needs Linux with glibc 2.34, macOS or Windows`,
      { cause: error },
    );
  }
}

function findEntry(folders: readonly string[]): string | undefined {
  for (const folder of folders) {
    try {
      return createRequire(join(folder, 'package.json')).resolve(PACKAGE);
    } catch {
      // looked for in the next folder
    }
  }
  return undefined;
}

function addGlobals(globals: Dawn['globals']): void {
  for (const [name, value] of Object.entries(globals)) {
    if (!name.startsWith('GPU') || name in globalThis) continue;
    Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
  }
}
