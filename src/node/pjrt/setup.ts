import { existsSync, readFileSync } from 'node:fs';
import { readdir, rm, statfs, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UserError } from '../../errors.js';
import { installFolder } from '../installFolder.js';
import { makeFolder } from '../makeFolder.js';
import { type ProgramCall, run } from '../native/setup/commands.js';
import { findPip } from '../native/setup/tools.js';
import { withWheel } from '../native/setup/wheels.js';
import type { XlaCheck } from './check.js';
import { type XlaManifest, xlaFolder, xlaManifestFile } from './plugin.js';

/** A PJRT plugin that is published as a wheel. */
interface Plugin {
  readonly requirement: string;
  /** The wheel whose metadata names the libraries of the device, as its extra `with-cuda`. */
  readonly libraries?: string;
  /** The oldest driver of NVIDIA that its CUDA runs on. */
  readonly driver?: number;
  /** Disk that it takes at its height, in bytes. */
  readonly bytes: number;
}

const VERSION = '0.10.2';

/** Plugins by the name that --xla takes; CUDA's are jax' own. */
const PLUGINS: Readonly<Record<string, Plugin>> = {
  cuda12: {
    requirement: `jax-cuda12-pjrt==${VERSION}`,
    libraries: `jax-cuda12-plugin==${VERSION}`,
    driver: 525,
    bytes: 12e9,
  },
  cuda13: {
    requirement: `jax-cuda13-pjrt==${VERSION}`,
    libraries: `jax-cuda13-plugin==${VERSION}`,
    driver: 580,
    bytes: 12e9,
  },
  cpu: { requirement: 'lammps-jax-pjrt-cpu==0.11.2', bytes: 0.6e9 },
};

export interface XlaSetupOptions {
  /** A name of PLUGINS, or `auto`: CUDA by the driver's version. */
  readonly plugin: string;
  /** Install though no driver is found, and without running a program. */
  readonly force: boolean;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
  readonly env?: NodeJS.ProcessEnv;
}

export interface XlaSetupResult {
  readonly folder: string;
  readonly requirement: string;
  /** What the check found; undefined where it was left out. */
  readonly check: XlaCheck | undefined;
}

/** Largest difference from WASM, relative to the largest logit, that is float32 summed in another order. */
const TOLERANCE = 1e-5;

/**
 * Installs a PJRT plugin and the libraries it needs from the Python registry, runs a small model on it and compares its
 * logits with WASM's.
 *
 * @throws UserError that says what is missing or what failed
 */
export async function setupXla(options: XlaSetupOptions): Promise<XlaSetupResult> {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new UserError(`XLA's plugins are for Linux on x64, not for ${process.platform} on ${process.arch}`);
  }
  const name = options.plugin === 'auto' ? cudaByDriver() : options.plugin;
  const plugin = PLUGINS[name];
  if (!plugin) {
    throw new UserError(`no plugin is named "${name}"; there are auto, ${Object.keys(PLUGINS).join(', ')}`);
  }
  if (!options.force) requireDriver(name, plugin);
  const pip = await findPip(options.env ?? process.env);
  if (!pip) {
    throw new UserError('setup-native --xla needs pip (Debian and Ubuntu: apt-get install python3-pip)');
  }
  const folder = xlaFolder(options.env);
  return installFolder(folder, xlaManifestFile(folder), 'DEIT_XLA_DIR', options.signal, async (fresh) => {
    await requireDisk(fresh, plugin.bytes);
    const manifest = await install(fresh, plugin, pip, options);
    await writeFile(xlaManifestFile(fresh), JSON.stringify(manifest));
    options.log('check: a forward pass on XLA and on WASM');
    const check = options.force && plugin.driver ? undefined : await checkXla(fresh, options);
    return { folder, requirement: plugin.requirement, check };
  });
}

/** Removes what setupXla installed; resolves to whether there was anything. */
export async function removeXla(folder = xlaFolder()): Promise<boolean> {
  if (!existsSync(xlaManifestFile(folder))) return false;
  await rm(folder, { recursive: true, force: true });
  return true;
}

async function install(
  folder: string,
  plugin: Plugin,
  pip: ProgramCall,
  { log, signal, env = process.env }: XlaSetupOptions,
): Promise<XlaManifest> {
  const packages = join(folder, 'site-packages');
  const wheels = join(folder, 'wheels');
  await makeFolder(wheels);
  const where = ['--no-deps', '--only-binary=:all:', '--disable-pip-version-check'];
  const target = [
    '--python-version',
    '3.11',
    '--platform',
    'manylinux_2_27_x86_64',
    '--platform',
    'manylinux2014_x86_64',
  ];
  const pipRun = (args: string[]) => run(pip, args, { cwd: folder, signal, env });
  const requirements = [plugin.requirement];
  if (plugin.libraries) {
    await pipRun(['download', plugin.libraries, ...where, ...target, '--dest', wheels]);
    requirements.push(...(await librariesOf(join(wheels, (await readdir(wheels))[0]!))));
  }
  for (const requirement of requirements) {
    log(`pip: ${requirement}`);
    await pipRun(['install', requirement, ...where, ...target, '--no-compile', '--target', packages]);
  }
  await rm(wheels, { recursive: true, force: true });
  return { plugin: relative(folder, await findLibrary(packages)), requirement: plugin.requirement };
}

/** What the extra `with-cuda` names, without what only its profiler and several machines need. */
async function librariesOf(wheel: string): Promise<string[]> {
  return withWheel(wheel, async (files) => {
    const metadata = [...files.values()].find(({ name }) => name.endsWith('.dist-info/METADATA'));
    const text = (await metadata?.text()) ?? '';
    const found = [...text.matchAll(/^Requires-Dist: (nvidia-[\w-]+) ?([^;]*);.*with-cuda/gm)];
    if (found.length === 0) throw new UserError(`${wheel}: names no libraries of NVIDIA`);
    return found.map(([, library, versions]) => `${library}${versions!.trim()}`);
  });
}

/** The plugin's shared library among installed packages. */
async function findLibrary(packages: string): Promise<string> {
  const files = await readdir(packages, { recursive: true });
  const library = files.find((file) => /(^|\/)(xla_\w*plugin|pjrt_\w*plugin)\.so$/.test(file));
  if (!library) throw new UserError(`${packages}: holds no PJRT plugin`);
  return join(packages, library);
}

async function checkXla(folder: string, { signal, env }: XlaSetupOptions): Promise<XlaCheck> {
  const program = fileURLToPath(new URL('./check.js', import.meta.url));
  const output = await run([process.execPath], [program], {
    cwd: folder,
    env: { ...(env ?? process.env), DEIT_XLA_DIR: folder, DEIT_PJRT_PLUGIN: '' },
    signal,
  });
  const result = JSON.parse(output.trim().split('\n').at(-1)!) as XlaCheck;
  if (result.difference <= TOLERANCE) return result;
  throw new UserError(
    `XLA computes other logits than WASM: they differ by ${result.difference.toExponential(1)} of the largest`,
  );
}

/** The version of NVIDIA's driver, e.g. 550; undefined if there is none. */
function driverVersion(): number | undefined {
  try {
    const text = readFileSync('/proc/driver/nvidia/version', 'utf8');
    const found = /(\d{3,})\.\d+/.exec(text)?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}

function cudaByDriver(): 'cuda12' | 'cuda13' {
  return (driverVersion() ?? 0) >= PLUGINS.cuda13!.driver! ? 'cuda13' : 'cuda12';
}

function requireDriver(name: string, { driver }: Plugin): void {
  if (driver === undefined) return;
  const have = driverVersion();
  if (have === undefined && existsSync('/dev/dxg')) return; // WSL has Windows' driver
  const help = 'give --force to install for another machine, or --xla cpu';
  if (have === undefined) {
    throw new UserError(
      `${name} was asked for, but this machine has no NVIDIA driver (no /proc/driver/nvidia); install it, ${help}`,
    );
  }
  if (have < driver) {
    throw new UserError(
      `${name} needs NVIDIA's driver ${driver} or later, this machine has ${have}; update it, ${help}`,
    );
  }
}

async function requireDisk(folder: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize >= needed) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw new UserError(
    `${dirname(folder)}: ${gigabytes(needed)} are needed there and ${gigabytes(bavail * bsize)} are free; ` +
      'make room, or set DEIT_XLA_DIR to a folder on another disk',
  );
}
