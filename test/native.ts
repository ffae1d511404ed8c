import { existsSync } from 'node:fs';
import { manifestFile } from '../src/node/native/folder.js';

/** The folder of `deit setup-native`, or undefined: tests that need libtensorflow are skipped then, and say so. */
export const testedNativeFolder = findFolder();

function findFolder(): string | undefined {
  const folder = process.env.DEIT_TESTED_NATIVE_DIR;
  if (folder && existsSync(manifestFile(folder))) return folder;
  console.warn(
    'native TensorFlow is not installed: its tests are skipped; `npx deit setup-native` installs it',
  );
  return undefined;
}

/** Lets this file's tests use native TensorFlow where it is installed. */
export function showNativeTensorflow(): void {
  if (testedNativeFolder) process.env.DEIT_NATIVE_DIR = testedNativeFolder;
}
