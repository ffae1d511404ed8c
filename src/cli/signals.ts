import { constants } from 'node:os';
import { SIGNALS } from '../node/processes.js';
import { say } from './print.js';

export interface Interruption {
  /** Aborts at the first signal. */
  readonly signal: AbortSignal;
  /** Stops watching. */
  release(): void;
}

/** The first signal that came since a command began. */
let caught: NodeJS.Signals | undefined;

/** Forgets signals that came before. */
export function forgetSignals(): void {
  caught = undefined;
}

/** The exit code that shells know for what a signal ended, 128 and its number; undefined if none came. */
export function signalCode(): number | undefined {
  return caught && 128 + constants.signals[caught];
}

/**
 * Watches for Ctrl-C, SIGTERM and SIGHUP (of which Node leaves no `nohup`): the first one aborts `signal`, a second one, of any kind, terminates the process at
 * once, whatever it waits for.
 *
 * @param message what is said at the first one
 */
export function catchInterrupt(message?: string): Interruption {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(128 + constants.signals[name]);
    caught = name;
    if (message) say(message);
    controller.abort();
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
