/** Where tfjs-node is, as far as files tell: nothing of it is loaded, nor of tfjs. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nativeFolder, readManifest } from './folder.js';

const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'];

export const REMEDY = '`deit setup-native` installs it';
export const NOT_INSTALLED = `native TensorFlow is not installed; ${REMEDY}`;

/** A tfjs-node that is installed. */
export interface Candidate {
  readonly name: string;
  readonly from: string;
  /** Path of its main module. */
  readonly entry: string;
  readonly version: string;
  readonly cuda: boolean;
  readonly require: NodeJS.Require;
}

/** Those that setup-native installed first, then those that the program or this package can import. */
export async function installedPackages(): Promise<Candidate[]> {
  const own = nativeFolder();
  const roots = [process.cwd(), dirname(fileURLToPath(import.meta.url))];
  const manifest = await readManifest(own);
  if (manifest) roots.unshift(own);
  return roots.flatMap((from) => {
    const require = createRequire(join(from, 'package.json'));
    return PACKAGES.flatMap((name) => {
      try {
        const { version } = require(`${name}/package.json`) as { version: string };
        const cuda = from === own ? manifest?.cuda === true : name.endsWith('-gpu');
        return [{ name, from, entry: require.resolve(name), version, cuda, require }];
      } catch {
        return [];
      }
    });
  });
}
