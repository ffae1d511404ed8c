import util from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { keepingCurrent } from '../../boundBackend.js';
import { UserError } from '../../errors.js';
import { installedPackages, NOT_INSTALLED, REMEDY } from './packages.js';

/** A graph that TensorFlow has loaded (tfjs-node's TFSavedModel). */
export interface NativeGraph {
  predict(inputs: tf.Tensor | tf.NamedTensorMap): tf.Tensor | tf.NamedTensorMap;
  dispose(): void;
}

/** What is used of @tensorflow/tfjs-node. */
export interface TfjsNode {
  readonly version: Readonly<Record<string, string>>;
  readonly node: {
    loadSavedModel(path: string, tags: string[], signature: string): Promise<NativeGraph>;
  };
  backend(): tf.KernelBackend & {
    readonly isUsingGpuDevice: boolean;
    readonly binding: { readonly TF_Version: string };
    /** Opens a session; gives its number. */
    loadSavedModelMetaGraph(folder: string, tags: string): number;
    /** @param outputs names of nodes, each with `:i` for its i-th output */
    runSavedModel(
      session: number,
      inputs: readonly tf.Tensor[],
      infos: readonly { readonly name: string; readonly tfDtype: string }[],
      outputs: readonly string[],
    ): tf.Tensor[];
    deleteSavedModel(session: number): void;
  };
}

/** tfjs-node as it was found. */
export interface FoundTfjsNode {
  readonly tfjsNode: TfjsNode;
  /** Its package, and the folder that it was found from. */
  readonly name: string;
  readonly from: string;
  /** Whether it was installed to compute with CUDA. */
  readonly cuda: boolean;
}

/** tfjs-node, loaded once: its import registers the backend, and cannot be taken back. */
let found: Promise<FoundTfjsNode> | undefined;

/**
 * Loads @tensorflow/tfjs-node or -gpu: the one that the program has loaded already, else the one that setup-native
 * installed, else one that the program or this package can import.
 *
 * @throws UserError if there is none, or none that can be loaded
 */
export function loadTfjsNode(): Promise<FoundTfjsNode> {
  found ??= findTfjsNode();
  found.catch(() => {
    found = undefined;
  });
  return found;
}

async function findTfjsNode(): Promise<FoundTfjsNode> {
  const candidates = await installedPackages();
  const loaded = candidates.find(({ entry, require }) => require.cache[entry]?.loaded);
  if (!loaded && tf.findBackendFactory('tensorflow')) {
    throw new UserError(
      'a copy of tfjs-node is loaded that cannot be found from here; install it in the project',
    );
  }
  const failures: string[] = [];
  for (const { require, entry, name, version, from, cuda } of loaded ? [loaded] : candidates) {
    try {
      checkVersion(version);
      return { tfjsNode: silenceWarnings(() => require(entry) as TfjsNode), name, from, cuda };
    } catch (error) {
      const [line = ''] = (error as Error).message.split('\n');
      failures.push(`${name} in ${from} cannot be loaded (${line.trim()})`);
    }
  }
  throw new UserError(failures.length > 0 ? `${failures.join('; ')}; ${REMEDY}` : NOT_INSTALLED);
}

/** A package of tfjs works with others of the same release, patches aside. */
function checkVersion(version: string): void {
  const minor = (text: string) => text.split('.').slice(0, 2).join('.');
  if (minor(version) === minor(tf.version_core)) return;
  throw new Error(`it is release ${version}, but @tensorflow/tfjs-core here is ${tf.version_core}`);
}

/** What tfjs says when a second copy of it sets the same platform and registers the same kernels again. */
const STARTUP_WARNINGS =
  /^Platform node has already been set|^The kernel .* is already registered|^\w+ backend was already registered/;

/**
 * Imports tfjs-node. tfjs-node 4.22.0 calls two functions of node:util that Node 23 took away, and TensorFlow writes
 * what processor it found to stderr unless told otherwise (level 1: warnings and errors alone).
 */
function silenceWarnings<T>(load: () => T): T {
  const legacy = util as unknown as Record<string, unknown>;
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  legacy.isArray ??= Array.isArray;
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '1';
  const { warn } = console;
  console.warn = (...args: unknown[]) => {
    if (!STARTUP_WARNINGS.test(String(args[0]))) warn(...args);
  };
  try {
    return keepingCurrent(load); // its import makes its backend the current one
  } finally {
    console.warn = warn;
  }
}
