/** Runs the built command line in processes of their own, which can be killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Running {
  readonly child: ChildProcess;
  /** Resolves when the process has ended, however it did. */
  readonly ended: Promise<Ended>;
  /** What it wrote to stderr until now. */
  err(): string;
}

export function startDeit(...args: string[]): Running {
  const child = spawn(process.execPath, ['dist/src/cli/deit.js', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    err += chunk;
  });
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, out, err }));
  return { child, ended, err: () => err };
}

/** Runs `deit … --json` to its end: the exit code, what it printed without the rate, and stderr. */
export async function deitJson(...args: string[]) {
  const { code, out, err } = await startDeit(...args, '--json').ended;
  const { imagesPerSecond: _, ...result } = code === 0 ? JSON.parse(out) : {};
  return { code, err, result: result as Record<string, unknown> };
}
