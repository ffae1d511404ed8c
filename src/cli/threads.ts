import { availableParallelism } from 'node:os';
import { useBackend } from '../backend.js';
import '../node/backends.js';
import { say } from './print.js';

/** Makes a backend the current one and says on stderr which it is and why. */
export async function chooseBackend(name: string): Promise<string> {
  const choice = await useBackend(name);
  for (const line of choice.passedOver) say(`backend passed over: ${line}`);
  say(`backend: ${choice.description}`);
  return choice.backend;
}

/** Threads that `--workers` has by default. */
export function defaultWorkers(): number {
  return Math.min(16, availableParallelism());
}
