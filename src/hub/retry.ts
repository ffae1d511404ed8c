import { UserError } from '../errors.js';
import type { Connection, LostConnection } from './connection.js';

/** The hub could not be reached, or gave up on us: what is kept may serve. */
export class HubUnreachable extends UserError {}

/** A server that asks for a longer wait than this is not waited for, in ms. */
const MAX_ASKED_WAIT_MS = 5 * 60_000;

/** Counts the tries of one piece of work. */
export interface Retry {
  /**
   * Waits before the next try.
   *
   * @param progressed whether the try that failed brought something: the count begins again
   * @throws HubUnreachable if there is no next try; what the signal says if it is aborted
   */
  after(lost: LostConnection, progressed?: boolean): Promise<void>;
}

/** @param gaveUp what to tell of work that was given up, after the reason */
export function startRetry(connection: Connection, url: string, gaveUp: () => string): Retry {
  const { pauses, onNotice, signal } = connection;
  let tries = 0;
  let answered = false;
  return {
    async after(lost, progressed = false) {
      answered ||= lost.answered || progressed;
      if (!answered) {
        throw new HubUnreachable(
          `${url}: cannot be reached (${lost.message}); check the network and ${connection.settings.endpoint}`,
        );
      }
      if (progressed) tries = 0;
      if (tries === pauses.length) throw new HubUnreachable(`${url}: ${lost.message}, and ${gaveUp()}`);
      const wait = Math.max(pauses[tries++]!, lost.waitMs ?? 0);
      if (wait > MAX_ASKED_WAIT_MS) {
        throw new HubUnreachable(
          `${url}: ${lost.message} and asks to wait ${Math.ceil(wait / 1000)} s; try again then`,
        );
      }
      onNotice?.(`${lost.message}; next try in ${(wait / 1000).toFixed(wait < 10_000 ? 1 : 0)} s`);
      await sleep(wait, signal);
    },
  };
}

/** Waits; rejects with the signal's reason if it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const stop = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
