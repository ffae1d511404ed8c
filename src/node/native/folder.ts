import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { homeFolder } from '../home.js';

/** Release of @tensorflow/tfjs-node that goes with the other tfjs packages of this one. */
export const TFJS_NODE_VERSION = '4.22.0';

/**
 * Release of TensorFlow that setup-native takes: for the CPU the last whose wheels are of one kind on every platform; with
 * CUDA one that has machine code for GPUs of compute capability 6.0 to 9.0 (H100), where 2.15.1's ends at 8.0.
 */
export function tensorflowVersion(cuda: boolean): string {
  return cuda ? '2.18.1' : '2.15.1';
}

/** What setup-native leaves beside what it installed; written last, so that its presence says that all is there. */
export interface NativeManifest {
  readonly tfjsNode: string;
  readonly tensorflow: string;
  readonly cuda: boolean;
}

const MANIFEST = 'native.json';

/**
 * Where setup-native installs: $DEIT_NATIVE_DIR, or a folder among the user's caches. Not in node_modules: that may be
 * read-only or npx's own, `npm ci` empties it, and as a dependency tfjs-node would run its own installer again.
 */
export function nativeFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.DEIT_NATIVE_DIR) return resolve(env.DEIT_NATIVE_DIR);
  const caches =
    env.XDG_CACHE_HOME || join(homeFolder(), process.platform === 'darwin' ? 'Library/Caches' : '.cache');
  return join(caches, 'deit-tfjs', 'native');
}

/** The manifest of a folder, or undefined if setup-native has not finished there. */
export async function readManifest(folder: string): Promise<NativeManifest | undefined> {
  try {
    return JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')) as NativeManifest;
  } catch {
    return undefined;
  }
}

export function manifestFile(folder: string): string {
  return join(folder, MANIFEST);
}
