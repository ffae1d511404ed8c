import { hasUnfinishedWork } from '../node/deadline.js';

/**
 * Ends the process with an exit code once everything is done. A thread that waits for a file system that does not answer
 * cannot be called off, and Node waits for it: the process is then ended by force, by another program in its place
 * (Node 22.15 or later) or a signal, which gives an exit code of its own.
 */
export async function end(code: number): Promise<void> {
  process.exitCode = code;
  if (!hasUnfinishedWork()) return;
  await Promise.all([process.stdout, process.stderr].map(flushed));
  const { execve } = process as { execve?: (file: string, args: string[]) => void };
  if (execve && process.platform !== 'win32') execve('/bin/sh', ['sh', '-c', `exit ${code}`]);
  process.kill(process.pid, 'SIGKILL');
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => void stream.write('', () => resolve()));
}
