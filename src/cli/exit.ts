import { hasUnfinishedWork } from '../node/deadline.js';

/** How long open connections may hold the process once everything is done, in milliseconds. */
const GRACE_MS = 2_000;

/**
 * Ends the process with an exit code once everything is done. A thread that waits for a file system that does not answer
 * cannot be called off, and Node waits for it: the process is then ended by force, by another program in its place
 * (Node 22.15 or later) or a signal, which gives an exit code of its own. What else still holds it, a connection to a
 * server that is gone, holds it for two seconds.
 */
export async function exit(code: number): Promise<void> {
  process.exitCode = code;
  if (!hasUnfinishedWork()) {
    setTimeout(exitNow, GRACE_MS, code).unref();
    return;
  }
  await flushed();
  const { execve } = process as { execve?: (file: string, args: string[]) => void };
  if (execve && process.platform !== 'win32') execve('/bin/sh', ['sh', '-c', `exit ${code}`]);
  process.kill(process.pid, 'SIGKILL');
}

async function exitNow(code: number): Promise<void> {
  // A slow reader of stdout is waited for: what was printed must arrive whole.
  await flushed();
  process.exit(code);
}

async function flushed(): Promise<void> {
  await Promise.all([process.stdout, process.stderr].map(written));
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => void stream.write('', () => resolve()));
}
