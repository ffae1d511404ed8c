import { type BackendChoice, type BackendOptions, useBackend } from '../backend.js';
import '../node/backends.js';
import { say } from './print.js';

/** Makes a backend the current one and says on stderr which it is and why. */
export async function announceBackend(name: string, options: BackendOptions = {}): Promise<void> {
  sayBackend(await useBackend(name, options));
}

const told = new Set<string>();

/** Says on stderr which backend runs, and why those before it do not. */
export function sayBackend({ description, passedOver }: BackendChoice): void {
  for (const line of passedOver.filter((line) => !told.has(line))) {
    told.add(line); // another backend may take over later
    say(`backend passed over: ${line}`, 'quiet');
  }
  say(`backend: ${description}`, 'quiet');
}
