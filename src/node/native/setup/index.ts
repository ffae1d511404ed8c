import { existsSync } from 'node:fs';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../../errors.js';
import { installFolder } from '../../installFolder.js';
import {
  manifestFile,
  type NativeManifest,
  nativeFolder,
  TFJS_NODE_VERSION,
  tensorflowVersion,
} from '../folder.js';
import { compileBinding, copyBinding, extractCuda, extractTensorflow } from './binding.js';
import type { CheckResult } from './check.js';
import { type CommandOptions, run } from './commands.js';
import { type Platform, thisPlatform } from './platform.js';
import { findTools, type Tools } from './tools.js';
import { cudaRequirements, downloadWheel, tensorflowRequirement } from './wheels.js';

export interface SetupOptions {
  readonly cuda: boolean;
  /** Install CUDA's libraries though no driver is found, e.g. while an image is built for a machine that has one. */
  readonly force: boolean;
  /** Called with one line for each step. */
  readonly log: (line: string) => void;
  /** Stops the work and undoes it. */
  readonly signal?: AbortSignal;
  /** Where programs are looked for and what names the folder; by default this process' own. */
  readonly env?: NodeJS.ProcessEnv;
}

export interface SetupResult extends CheckResult {
  readonly folder: string;
}

/** Disk that the work takes at its height, in bytes: wheels, what is unpacked, tfjs-node's dependencies. */
const DISK_BYTES = { cpu: 1.5e9, cuda: 9e9 };

/** Node's own C headers for the binding, as a package of the Node.js project. */
const NODE_API_HEADERS_VERSION = '1.9.0';

/**
 * Installs @tensorflow/tfjs-node in nativeFolder(), with TensorFlow's library out of its Python wheel: all that its
 * own installer does, from the npm and Python registries alone. It is built in a folder beside, checked there against
 * WASM, and takes its place when all is well; else nothing is left of it, and what was there before stays.
 *
 * @throws UserError that says what is missing or what failed
 */
export async function setupNative(options: SetupOptions): Promise<SetupResult> {
  const platform = thisPlatform(options.cuda);
  if (options.cuda && !options.force) requireNvidiaDriver();
  const { CXX } = options.env ?? process.env;
  // The binding for CUDA names CUDA's libraries, so that they are found.
  const compiles = options.cuda || !platform.hasBinding || Boolean(CXX);
  const tools = await findTools(compiles, options.env);
  const folder = nativeFolder(options.env);
  return installFolder(folder, manifestFile(folder), 'DEIT_NATIVE_DIR', options.signal, async (fresh) => {
    await requireDisk(fresh, options.cuda);
    await build(fresh, platform, tools, options);
    options.log('check: a forward pass on TensorFlow and on WASM');
    const checked = await check(fresh, options);
    const manifest: NativeManifest = {
      tfjsNode: TFJS_NODE_VERSION,
      tensorflow: tensorflowVersion(options.cuda),
      cuda: options.cuda,
    };
    await writeFile(manifestFile(fresh), JSON.stringify(manifest));
    return { ...checked, folder, from: folder };
  });
}

/** Removes what setupNative installed; resolves to whether there was anything. */
export async function removeNative(folder = nativeFolder()): Promise<boolean> {
  if (!existsSync(manifestFile(folder))) return false;
  await rm(folder, { recursive: true, force: true });
  return true;
}

async function build(folder: string, platform: Platform, tools: Tools, options: SetupOptions): Promise<void> {
  const { cuda, log, signal, env = process.env } = options;
  const running: CommandOptions = { cwd: folder, signal, env };
  log(`npm: @tensorflow/tfjs-node ${TFJS_NODE_VERSION}`);
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  const headers = `node-api-headers@${NODE_API_HEADERS_VERSION}`;
  const packages = [`@tensorflow/tfjs-node@${TFJS_NODE_VERSION}`, ...(tools.compiler ? [headers] : [])];
  await run(tools.npm, ['install', '--ignore-scripts', '--no-audit', '--no-fund', ...packages], running);
  const tfjsNode = join(folder, 'node_modules', '@tensorflow', 'tfjs-node');

  const downloads = join(folder, 'wheels');
  const fetch = (requirement: string) => {
    log(`pip: ${requirement}`);
    return downloadWheel(tools.pip, requirement, downloads, platform, running);
  };
  const wheel = await fetch(tensorflowRequirement(platform, cuda));
  await extractTensorflow(wheel, tfjsNode);
  for (const requirement of cuda ? await cudaRequirements(wheel) : []) {
    const library = await fetch(requirement);
    await extractCuda(library, tfjsNode);
    await rm(library);
  }
  await rm(downloads, { recursive: true });

  if (!tools.compiler) return copyBinding(platform.name, tfjsNode);
  log(`${tools.compiler.join(' ')}: the binding`);
  const include = join(folder, 'node_modules', 'node-api-headers', 'include');
  await compileBinding(tools.compiler, tfjsNode, include, running);
}

/** Largest difference from WASM, relative to the largest logit, that is float32 summed in another order. */
const TOLERANCE = 1e-5;

async function check(folder: string, { cuda, force, signal, env }: SetupOptions): Promise<CheckResult> {
  // The folder counts as installed for the check alone.
  const manifest: NativeManifest = { tfjsNode: TFJS_NODE_VERSION, tensorflow: tensorflowVersion(cuda), cuda };
  await writeFile(manifestFile(folder), JSON.stringify(manifest));
  const program = fileURLToPath(new URL('./check.js', import.meta.url));
  const output = await run([process.execPath], [program], {
    cwd: folder,
    env: { ...(env ?? process.env), DEIT_NATIVE_DIR: folder },
    signal,
  });
  const result = JSON.parse(output.trim().split('\n').at(-1)!) as CheckResult;
  if (!(result.difference <= TOLERANCE)) {
    throw new UserError(
      `TensorFlow ${result.tensorflow} computes other logits than WASM: they differ by ${result.difference.toExponential(1)}`,
    );
  }
  if (cuda && !result.cuda && !force) {
    throw new UserError(
      'CUDA was asked for, but TensorFlow finds no GPU that it can use; is the driver recent enough for CUDA 12.5 (525 or later)?',
    );
  }
  return result;
}

/** CUDA needs NVIDIA's driver, which no package here brings: asked before gigabytes are downloaded. */
function requireNvidiaDriver(): void {
  if (existsSync('/proc/driver/nvidia/version') || existsSync('/dev/nvidiactl') || existsSync('/dev/dxg'))
    return;
  throw new UserError(
    'CUDA was asked for, but this machine has no NVIDIA driver (no /proc/driver/nvidia, no /dev/nvidiactl); ' +
      'install the driver, or leave out --cuda, or give --force to install for another machine',
  );
}

async function requireDisk(folder: string, cuda: boolean): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const needed = cuda ? DISK_BYTES.cuda : DISK_BYTES.cpu;
  if (bavail * bsize >= needed) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new UserError(
    `${dirname(folder)}: ${gigabytes(needed)} are needed there and ${gigabytes(bavail * bsize)} are free; ` +
      'make room, or set DEIT_NATIVE_DIR to a folder on another disk',
  );
}
