import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { COMPUTE_DTYPES, type ComputeDtype } from '../../computeDtype.js';
import { SettingError, UserError } from '../../errors.js';
import { homeFolder } from '../home.js';

/** What `deit setup-native --xla` leaves beside what it installed; written last. */
export interface XlaManifest {
  /** The plugin's shared library, relative to the folder. */
  readonly plugin: string;
  /** The wheel that it came in, e.g. `jax-cuda12-pjrt==0.11.2`. */
  readonly requirement: string;
}

const MANIFEST = 'xla.json';

/** Where setup-native installs XLA: $DEIT_XLA_DIR, or a folder among the user's caches. */
export function xlaFolder(env: NodeJS.ProcessEnv = process.env): string {
  if (env.DEIT_XLA_DIR) return resolve(env.DEIT_XLA_DIR);
  return join(cacheFolder(env), 'xla');
}

/** Where compiled programs are kept: $DEIT_CACHE, or the user's caches. */
export function programFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.DEIT_CACHE ? resolve(env.DEIT_CACHE) : cacheFolder(env), 'xla-programs');
}

function cacheFolder(env: NodeJS.ProcessEnv): string {
  const caches =
    env.XDG_CACHE_HOME || join(homeFolder(), process.platform === 'darwin' ? 'Library/Caches' : '.cache');
  return join(caches, 'deit-tfjs');
}

export function xlaManifestFile(folder: string): string {
  return join(folder, MANIFEST);
}

/** What products are computed in: $DEIT_XLA_DTYPE, by default float32, exactly. */
export function dtypeFrom(env: NodeJS.ProcessEnv = process.env): ComputeDtype {
  const asked = env.DEIT_XLA_DTYPE || 'float32';
  const dtype = COMPUTE_DTYPES.find((known) => known === asked);
  if (!dtype) throw new SettingError(`DEIT_XLA_DTYPE is "${asked}"; it may be ${COMPUTE_DTYPES.join(', ')}`);
  return dtype;
}

/** Throws a UserError if XLA cannot be what `auto` takes, as far as files tell: nothing of it is loaded. */
export function requireXlaFiles(): void {
  dtypeFrom();
  findPlugin();
}

/**
 * The PJRT plugin to take: $DEIT_PJRT_PLUGIN, any plugin's shared library, or the one that setup-native installed.
 *
 * @throws UserError if there is none
 */
export function findPlugin(env: NodeJS.ProcessEnv = process.env): string {
  if (env.DEIT_PJRT_PLUGIN) {
    if (existsSync(env.DEIT_PJRT_PLUGIN)) return resolve(env.DEIT_PJRT_PLUGIN);
    throw new SettingError(`DEIT_PJRT_PLUGIN: ${env.DEIT_PJRT_PLUGIN} is no file`);
  }
  const folder = xlaFolder(env);
  const file = xlaManifestFile(folder);
  if (!existsSync(file)) {
    throw new UserError(
      `XLA is not installed${env.DEIT_XLA_DIR ? ` in ${folder} (DEIT_XLA_DIR)` : ''}; \`deit setup-native --xla\` installs it, or DEIT_PJRT_PLUGIN names a plugin`,
    );
  }
  const { plugin } = JSON.parse(readFileSync(file, 'utf8')) as XlaManifest;
  return join(folder, plugin);
}
