import { randomUUID } from 'node:crypto';
import { open, readFile, readlink, rename, rm, stat, utimes } from 'node:fs/promises';
import { hostname } from 'node:os';
import { sleep } from '../../hub/retry.js';
import { isAlive } from '../processes.js';

/** How often the holder of a lock shows that it is alive. */
const BEAT_MS = 5000;
/** A lock that shows no life for this long is taken over. */
const STALE_MS = 30_000;
const POLL_MS = 100;
/** Within this time after a look the lock is taken as still held. */
const FRESH_MS = 1000;

interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly token: string;
}

/** Another process has taken over the lock, since this one was stopped for too long. */
export class LockLost extends Error {}

export interface FileLock {
  /** Throws LockLost if the lock is no longer ours; to be called before each write. */
  check(): Promise<void>;
  release(): Promise<void>;
}

export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Called once if another process holds the lock. */
  readonly onWait?: () => void;
  readonly staleMs?: number;
}

/**
 * Takes a lock between processes, also of several machines: a file that only one can make. Waits while another holds it;
 * a holder that has ended, or shows no life, loses it.
 *
 * @throws the file system's error if the file cannot be made
 */
export async function lockFile(path: string, options: LockOptions = {}): Promise<FileLock> {
  const { signal, onWait, staleMs = STALE_MS } = options;
  const me: Holder = { pid: process.pid, host: await thisHost(), token: randomUUID() };
  let seen: { life: string; at: number } | undefined;
  for (;;) {
    signal?.throwIfAborted();
    if (await make(path, me)) return held(path, me);
    const life = await signOfLife(path);
    if (life === undefined) continue;
    if (!seen) onWait?.();
    const now = performance.now();
    if (seen?.life !== life) seen = { life, at: now };
    if ((await hasEnded(path)) || now - seen.at > staleMs) {
      await takeAway(path, life, me.token);
      continue;
    }
    await sleep(POLL_MS, signal);
  }
}

/** Where a process id means a process: two containers may have one name, and each its own ids. */
async function thisHost(): Promise<string> {
  const namespace = await readlink('/proc/self/ns/pid').catch(() => ''); // Linux alone has it
  return `${hostname()} ${namespace}`.trim();
}

async function make(path: string, me: Holder): Promise<boolean> {
  try {
    const file = await open(path, 'wx');
    await file.writeFile(JSON.stringify(me)).finally(() => file.close());
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function held(path: string, me: Holder): FileLock {
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {});
  }, BEAT_MS);
  beat.unref();
  let looked = performance.now();
  return {
    async check() {
      const now = performance.now();
      if (now - looked < FRESH_MS) return;
      if ((await readHolder(path))?.token !== me.token) throw new LockLost(`${path} was taken over`);
      looked = now;
    },
    async release() {
      clearInterval(beat);
      if ((await readHolder(path))?.token === me.token) await rm(path, { force: true });
    },
  };
}

/** What changes as long as the holder lives; undefined if there is no lock by now. */
async function signOfLife(path: string): Promise<string | undefined> {
  const [text, info] = await Promise.all([readText(path), stat(path).catch(() => undefined)]);
  return info && `${info.mtimeMs} ${text}`;
}

async function hasEnded(path: string): Promise<boolean> {
  const holder = await readHolder(path);
  return holder !== undefined && holder.host === (await thisHost()) && !isAlive(holder.pid);
}

/** Several may try; a lock that has changed since it was looked at stays. */
async function takeAway(path: string, life: string, token: string): Promise<void> {
  if ((await signOfLife(path)) !== life) return;
  const aside = `${path}.${token}`;
  await rename(path, aside).catch(() => {});
  await rm(aside, { force: true });
}

async function readHolder(path: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch {
    return undefined;
  }
}

const readText = (path: string) => readFile(path, 'utf8').catch(() => '');
