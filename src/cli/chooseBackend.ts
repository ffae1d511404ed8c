import { type BackendChoice, useBackend } from '../backend.js';
import type { ComputeDtype } from '../computeDtype.js';
import '../node/backends.js';
import { say } from './print.js';

/** Makes a backend the current one and says on stderr which it is and why. */
export async function chooseBackend(name: string): Promise<string> {
  const choice = await firstBackend(name);
  sayBackend(choice);
  return choice.backend;
}

/** Makes a backend the current one and says on stderr which came before it; the model names the backend. */
export async function firstBackend(name: string, dtype?: ComputeDtype): Promise<BackendChoice> {
  const choice = await useBackend(name, dtype);
  for (const line of choice.passedOver) say(`backend passed over: ${line}`, 'quiet');
  return choice;
}

export function sayBackend({ description }: BackendChoice): void {
  say(`backend: ${description}`, 'quiet');
}
