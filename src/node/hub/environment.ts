import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { HUB_ENDPOINT, isHubName, parseEndpoint } from '../../hub/hubName.js';
import { requireToken } from '../../hub/token.js';
import { homeFolder } from '../home.js';

type Env = Readonly<Record<string, string | undefined>>;

/** The hub's address: `HF_ENDPOINT`, else huggingface.co. Throws a UserError if it is no URL. */
export function hubEndpoint(env: Env = process.env): string {
  return parseEndpoint(env.HF_ENDPOINT || HUB_ENDPOINT);
}

/** Whether a text names a model on the hub: `hf:…`, or the address of a page there or at `HF_ENDPOINT`. */
export function isOnHub(text: string, env: Env = process.env): boolean {
  return isHubName(text) || (/^https?:\/\//i.test(text) && isHubName(text, hubEndpoint(env)));
}

/** Whether the environment says not to ask the hub: `DEIT_OFFLINE` or `HF_HUB_OFFLINE` is 1, on, yes or true. */
export function isOffline(env: Env = process.env): boolean {
  return [env.DEIT_OFFLINE, env.HF_HUB_OFFLINE].some((value) => isTrue(value));
}

/** The package's cache folder: `DEIT_CACHE`, else a folder among the user's caches. */
export function cacheFolder(env: Env = process.env, platform = process.platform): string {
  if (env.DEIT_CACHE) return resolve(env.DEIT_CACHE);
  return join(userCaches(env, platform), 'deit-tfjs');
}

/** The cache of Hugging Face's own libraries, which is read and never written. */
export function huggingFaceCacheFolder(env: Env = process.env): string {
  return resolve(env.HF_HUB_CACHE || env.HUGGINGFACE_HUB_CACHE || join(huggingFaceHome(env), 'hub'));
}

/** The token and where it is from: `HF_TOKEN`, else the file that `hf auth login` leaves. Undefined if there is none. */
export async function findToken(
  env: Env = process.env,
): Promise<{ token: string; tokenSource: string } | undefined> {
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = env[name]?.trim();
    if (token) return { token: requireToken(token, name), tokenSource: name };
  }
  if (isTrue(env.HF_HUB_DISABLE_IMPLICIT_TOKEN)) return undefined;
  const path = env.HF_TOKEN_PATH || join(huggingFaceHome(env), 'token');
  const token = (await readFile(path, 'utf8').catch(() => '')).trim();
  return token ? { token: requireToken(token, path), tokenSource: path } : undefined;
}

function userCaches(env: Env, platform: string): string {
  if (platform === 'win32') return env.LOCALAPPDATA || join(homeFolder(), 'AppData', 'Local');
  if (env.XDG_CACHE_HOME) return resolve(env.XDG_CACHE_HOME);
  return join(homeFolder(), platform === 'darwin' ? 'Library/Caches' : '.cache');
}

function huggingFaceHome(env: Env): string {
  return env.HF_HOME || join(env.XDG_CACHE_HOME || join(homeFolder(), '.cache'), 'huggingface');
}

function isTrue(value: string | undefined): boolean {
  return /^(1|on|yes|true)$/i.test(value ?? '');
}
