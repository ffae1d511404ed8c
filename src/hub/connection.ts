import { UserError } from '../errors.js';
import { networkReason } from './networkReason.js';
import { refusal } from './refusal.js';

/** How the user sets what a hub needs, for messages. */
export interface HubSettings {
  /** e.g. `set HF_TOKEN`. */
  readonly giveToken: string;
  /** e.g. `HF_ENDPOINT`. */
  readonly endpoint: string;
}

/** How a hub is reached. */
export interface Connection {
  /** The hub's address without a slash at its end. */
  readonly endpoint: string;
  readonly token?: string;
  /** Where the token comes from, for messages: `HF_TOKEN`, a file's path. */
  readonly tokenSource?: string;
  readonly settings: HubSettings;
  readonly signal?: AbortSignal;
  /** A connection on which nothing comes for this long counts as lost, in ms. */
  readonly stallMs: number;
  /** Waits before new tries, in ms, until one brings bytes; as many tries are made. */
  readonly pauses: readonly number[];
  /**
   * `manual`: redirects are followed here, one by one; a browser shows no redirect to a page, so there it is `follow`, and
   * the browser itself leaves the token out of requests to other hosts.
   */
  readonly redirects: 'manual' | 'follow';
  /** Called with one line whenever something is tried again. */
  readonly onNotice?: (message: string) => void;
}

/** What a request is about, for messages. */
export interface Subject {
  readonly repo: string;
  readonly revision: string;
  readonly path?: string;
}

export interface RequestOptions {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer to work with, of status 200, 206 or 416; of HEAD also the redirect with which the hub describes a file. */
export interface Answer {
  readonly response: Response;
  /** What the hub itself said of the file, before it sent us to another host. */
  readonly linked: { readonly etag?: string; readonly size?: number; readonly commit?: string };
  /** The next bytes, or undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** Lets go of the connection; to be called in any case. */
  close(): Promise<void>;
}

/** The connection ended before the answer did, or the server was busy: worth another try. */
export class LostConnection extends Error {
  constructor(
    message: string,
    /** Whether the server has answered at all. */
    readonly answered: boolean,
    /** How long the server asks us to wait, in ms. */
    readonly waitMs?: number,
  ) {
    super(message);
  }
}

export const STALL_MS = 30_000;
export const PAUSES_MS: readonly number[] = [1000, 2000, 4000, 8000, 16000];

const MAX_REDIRECTS = 10;

/**
 * One request to the hub. The token goes to the hub's own address alone, never to a host that it redirects to.
 *
 * @throws UserError if the hub refuses; LostConnection if it could not be reached or is busy; the signal's reason
 */
export async function request(
  connection: Connection,
  url: string,
  subject: Subject,
  { method = 'GET', headers = {} }: RequestOptions = {},
): Promise<Answer> {
  const attempt = startAttempt(connection);
  try {
    const linked: { etag?: string; size?: number; commit?: string } = {};
    let next = url;
    for (let hop = 0; ; hop++) {
      const own = isOwn(connection, next);
      const token = own ? connection.token : undefined;
      const response = await attempt.inTime(() =>
        fetch(next, {
          method,
          headers: token ? { ...headers, authorization: `Bearer ${token}` } : headers,
          redirect: connection.redirects,
          // A browser would keep what comes a second time, and join the parts of a file by itself.
          ...(connection.redirects === 'follow' && { cache: 'no-store' }),
          signal: attempt.signal,
        }),
      );
      if (isOwn(connection, response.url || next)) noteLinked(linked, response);
      const target = connection.redirects === 'manual' ? redirectTarget(response, next) : undefined;
      // What the other host is asked with the hub's signature may be nothing but the file itself.
      const isDescribed = method === 'HEAD' && linked.size !== undefined;
      if (target === undefined || isDescribed) {
        if (!isDescribed && ![200, 206, 416].includes(response.status))
          await refuse(connection, response, subject);
        return answerOf(attempt, response, linked);
      }
      await response.body?.cancel();
      if (hop === MAX_REDIRECTS)
        throw new UserError(`${url}: leads from one address to the next without end`);
      next = target;
    }
  } catch (error) {
    attempt.end();
    throw error;
  }
}

function isOwn({ endpoint }: Connection, url: string): boolean {
  return new URL(url).origin === new URL(endpoint).origin;
}

function noteLinked(
  linked: { etag?: string; size?: number; commit?: string },
  { headers, status }: Response,
): void {
  linked.commit ??= headers.get('x-repo-commit') ?? undefined;
  linked.etag ??= headers.get('x-linked-etag') ?? (status === 200 ? headers.get('etag') : null) ?? undefined;
  const size = headers.get('x-linked-size');
  if (size !== null && /^\d+$/.test(size)) linked.size ??= Number(size);
}

function redirectTarget(response: Response, from: string): string | undefined {
  const location = response.headers.get('location');
  if (![301, 302, 303, 307, 308].includes(response.status) || location === null) return undefined;
  const url = URL.canParse(location, from) ? new URL(location, from) : undefined;
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && !from.startsWith('https:'));
  if (!url || !safe || url.username || url.password) {
    throw new UserError(
      `${from}: the server redirects to ${location.slice(0, 200)}, where no file is fetched from`,
    );
  }
  return url.href;
}

/** Throws what an answer without a file means. */
async function refuse(connection: Connection, response: Response, subject: Subject): Promise<never> {
  await response.body?.cancel();
  const { status, statusText, headers } = response;
  if (status >= 500 || status === 408 || status === 429) {
    const answer = `the server answered ${status} ${statusText}`.trimEnd();
    throw new LostConnection(answer, true, askedWait(headers));
  }
  throw refusal(connection, response, subject);
}

/** The wait that a busy server asks for, in ms: `Retry-After` in seconds or as a date, or the hub's `RateLimit`. */
export function askedWait(headers: Headers, now = Date.now()): number | undefined {
  const after = headers.get('retry-after');
  if (after !== null) {
    if (/^\d+$/.test(after.trim())) return Number(after) * 1000;
    const date = Date.parse(after);
    if (!Number.isNaN(date)) return Math.max(0, date - now);
  }
  const reset = /\bt=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  return reset === undefined ? undefined : Number(reset) * 1000;
}

type Attempt = ReturnType<typeof startAttempt>;

/** A request and its limit of time: each wait on the server may last as long as `stallMs`, all of it any time. */
function startAttempt({ signal, stallMs }: Connection) {
  signal?.throwIfAborted();
  const controller = new AbortController();
  const giveUp = () => controller.abort(signal!.reason);
  signal?.addEventListener('abort', giveUp);
  let answered = false;
  return {
    signal: controller.signal,
    /** Awaits the server. */
    async inTime<T>(work: () => Promise<T>): Promise<T> {
      const stalled = new Error(`nothing came for ${Math.round(stallMs / 1000)} s`);
      const timer = setTimeout(() => controller.abort(stalled), stallMs);
      try {
        const result = await work();
        answered = true;
        return result;
      } catch (error) {
        signal?.throwIfAborted();
        throw new LostConnection(networkReason(controller.signal.aborted ? stalled : error), answered);
      } finally {
        clearTimeout(timer);
      }
    },
    end: () => signal?.removeEventListener('abort', giveUp),
  };
}

function answerOf(attempt: Attempt, response: Response, linked: Answer['linked']): Answer {
  const reader = response.body?.getReader();
  return {
    response,
    linked,
    async read() {
      const part = reader && (await attempt.inTime(() => reader.read()));
      return part?.value;
    },
    async close() {
      attempt.end();
      // The rest of a body that is not read on must not keep the connection.
      await reader?.cancel().catch(() => {});
    },
  };
}
