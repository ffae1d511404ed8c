import { existsSync } from 'node:fs';
import { xlaManifestFile } from '../src/node/pjrt/plugin.js';

/** The folder of `deit setup-native --xla cpu`, or undefined: tests that need XLA are skipped then, and say so. */
export const testedXlaFolder = findFolder();

function findFolder(): string | undefined {
  const folder = process.env.DEIT_TESTED_XLA_DIR;
  if (folder && existsSync(xlaManifestFile(folder))) return folder;
  console.warn('XLA is not installed: its tests are skipped; `npx deit setup-native --xla cpu` installs it');
  return undefined;
}

/** Lets this file's tests use XLA where it is installed. */
export function showXla(): void {
  if (testedXlaFolder) process.env.DEIT_XLA_DIR = testedXlaFolder;
}
