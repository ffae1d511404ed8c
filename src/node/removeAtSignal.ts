import { rmSync } from 'node:fs';
import { SIGNALS } from './processes.js';

/** What is to be removed. One listener serves all of them: each for itself would take the others for the program's own. */
const paths = new Set<string>();

/**
 * Removes a file or folder where a signal ends the process, which ends as it would have. A program that handles the signal
 * itself goes on, and the file stays.
 *
 * @returns ends this
 */
export function removeAtSignal(path: string): () => void {
  if (paths.size === 0) for (const name of SIGNALS) process.on(name, onSignal);
  paths.add(path);
  return () => {
    paths.delete(path);
    if (paths.size === 0) stopListening();
  };
}

function onSignal(name: NodeJS.Signals): void {
  if (process.listenerCount(name) > 1) return;
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  stopListening();
  process.kill(process.pid, name);
}

function stopListening(): void {
  for (const name of SIGNALS) process.off(name, onSignal);
}
