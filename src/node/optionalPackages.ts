import { UserError } from '../errors.js';

/** Packages that few need: they are optional peers of this one, which npm leaves out. */
export const OPTIONAL_PACKAGES = {
  queue: ['bullmq@6', 'ioredis@6'],
  drawing: ['@observablehq/plot@0.6', 'linkedom@0.18'],
  graphModels: ['@tensorflow/tfjs-converter@4.22.0'],
  webgpu: ['webgpu@0.6.2'],
  xla: ['koffi@3'],
} as const;

export type OptionalPart = keyof typeof OPTIONAL_PACKAGES;

/** What to do where they are missing. */
export function howToInstall(part: OptionalPart): string {
  return `npm install ${OPTIONAL_PACKAGES[part].join(' ')}`;
}

/**
 * Imports modules that need optional packages.
 *
 * @param what names the need in the message
 * @throws UserError that says what to install, where one of them is missing
 */
export async function importOptional<T>(
  part: OptionalPart,
  what: string,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    if (!isMissing(error as NodeJS.ErrnoException, part)) throw error;
    throw new UserError(`${what} needs packages that are not installed: ${howToInstall(part)}`, {
      cause: error,
    });
  }
}

/**
 * Imports an optional package when the program runs. Bundlers do not see its name: they would stop at one that is not
 * installed, though the program may never need it.
 */
export function importPackage<T>(name: string): Promise<T> {
  return import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ name);
}

/** Whether an import failed because one of the packages is not there. */
function isMissing({ code, message }: NodeJS.ErrnoException, part: OptionalPart): boolean {
  if (code !== 'ERR_MODULE_NOT_FOUND' && code !== 'MODULE_NOT_FOUND') return false;
  const names = OPTIONAL_PACKAGES[part].map((name) => name.slice(0, name.lastIndexOf('@')));
  return names.some((name) => message.includes(`'${name}'`));
}
