import { type BackendChoice, type BackendOptions, useBackend } from '../backend.js';
import '../node/backends.js';
import { say } from './print.js';

/** Makes a backend the current one and says on stderr which it is and why. */
export async function announceBackend(name: string, options: BackendOptions = {}): Promise<string> {
  const choice = await firstBackend(name, options);
  sayBackend(choice);
  return choice.backend;
}

/** Makes a backend the current one and says on stderr which came before it; the model names the backend. */
export async function firstBackend(name: string, options: BackendOptions = {}): Promise<BackendChoice> {
  const choice = await useBackend(name, options);
  for (const line of choice.passedOver) say(`backend passed over: ${line}`, 'quiet');
  return choice;
}

export function sayBackend({ description }: BackendChoice): void {
  say(`backend: ${description}`, 'quiet');
}
