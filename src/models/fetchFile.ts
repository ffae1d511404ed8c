import { checkArguments } from '../checkArguments.js';
import { checkOptions, type OptionKind } from '../checkOptions.js';
import { UserError } from '../errors.js';

export interface FetchOptions {
  signal?: AbortSignal;
  /** Called as the bytes of the body arrive, with the number of those that are new and of all, if that is known. */
  onBytes?: (count: number, total?: number) => void;
  /** The most bytes that the body may have, unpacked; where the server tells no length, MAX_UNDECLARED by default. */
  maxBytes?: number;
  /** `same-host`, by default: a redirect to another host is refused. `any`: it is followed. */
  redirects?: Redirects;
  /** How long the server may send nothing, in milliseconds; 30,000 by default. */
  stallMs?: number;
}

/** Where a server may redirect to. */
export type Redirects = 'same-host' | 'any';

/** Fetches the whole body behind a URL; rejects with a UserError that says what went wrong. */
export type FetchFile = (url: string, options?: FetchOptions) => Promise<Uint8Array<ArrayBuffer>>;

/** Bytes of the largest body that is taken from a server that does not say how long it is, or compresses it. */
export const MAX_UNDECLARED = 2 ** 28;

const STALL_MS = 30_000;
const MAX_REDIRECTS = 5;

const FETCH_OPTIONS: Record<keyof FetchOptions, OptionKind> = {
  signal: 'signal',
  onBytes: 'function',
  maxBytes: 'count',
  redirects: 'redirects',
  stallMs: 'positive',
};

/** Fetches a file over the network. */
export const fetchFile: FetchFile = async (url, options) => (await download(url, options)).bytes;

/** Throws a UserError for what fetchFile does not take. */
export function checkFetch(url: string, options: FetchOptions): void {
  checkArguments('fetchFile', { url: ['text', url], options: ['fields', options] });
  checkOptions('fetchFile', options, FETCH_OPTIONS);
}

/** As fetchFile, with the answer that the body came in. */
export async function download(
  url: string,
  options: FetchOptions = {},
): Promise<{ response: Response; bytes: Uint8Array<ArrayBuffer> }> {
  checkFetch(url, options);
  const stall = watchStall(url, options);
  try {
    const response = await request(url, { signal: stall.signal }, options.redirects);
    const settings = { ...options, signal: stall.signal, onProgress: stall.restart };
    return { response, bytes: await readBody(url, response, settings) };
  } catch (error) {
    throw stall.explain(error);
  } finally {
    stall.end();
  }
}

/** Aborts where the server sends nothing for a while. */
function watchStall(url: string, { signal, stallMs = STALL_MS }: FetchOptions) {
  const controller = new AbortController();
  const stalled = new UserError(
    `${url}: the server sent nothing for ${stallMs / 1000} s; check the network, then try again`,
  );
  let timer: ReturnType<typeof setTimeout> | undefined;
  const restart = () => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.abort(stalled), stallMs);
  };
  const follow = () => controller.abort(signal!.reason);
  if (signal?.aborted) follow();
  signal?.addEventListener('abort', follow);
  restart();
  return {
    signal: controller.signal,
    restart,
    explain: (error: unknown) => (controller.signal.reason === stalled ? stalled : error),
    end() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', follow);
    },
  };
}

/**
 * As fetch, but anything except an answer with a file is a UserError, a redirect to another host among them; an abort
 * stays an AbortError.
 */
export async function request(
  url: string,
  init: RequestInit,
  redirects: Redirects = 'same-host',
): Promise<Response> {
  const response = await follow(url, init, redirects);
  if (response.status === 206 && !new Headers(init.headers).has('Range')) {
    void response.body?.cancel().catch(() => {});
    throw new UserError(
      `${url}: the server answered with a part of the file (206), which was not requested; fix the server, or the service worker in between`,
    );
  }
  if (!response.ok) {
    void response.body?.cancel().catch(() => {});
    throw new UserError(`${url}: the server answered ${response.status} ${response.statusText}`.trimEnd());
  }
  if (/^text\/html\b/i.test(response.headers.get('Content-Type') ?? '')) {
    void response.body?.cancel().catch(() => {});
    throw new UserError(
      `${url}: the server answered with a web page, not with a file of a model; check the address`,
    );
  }
  return response;
}

async function follow(url: string, init: RequestInit, redirects: Redirects): Promise<Response> {
  if (redirects === 'any') return fetchOrExplain(url, url, init);
  let address = url;
  for (let i = 0; i <= MAX_REDIRECTS; i++) {
    const response = await fetchOrExplain(url, address, { ...init, redirect: 'manual' });
    if (response.type === 'opaqueredirect') {
      // A browser shows no page where it leads: it is followed, and looked at afterwards.
      const followed = await fetchOrExplain(url, address, init);
      if (!sameHost(absolute(url), followed.url)) throw otherHost(url, followed.url);
      return followed;
    }
    const target = response.headers.get('Location');
    if (response.status < 300 || response.status > 399 || target === null) return response;
    void response.body?.cancel().catch(() => {});
    const next = URL.canParse(target, absolute(address)) ? new URL(target, absolute(address)).href : target;
    if (!sameHost(absolute(address), next)) throw otherHost(url, next);
    address = next;
  }
  throw new UserError(`${url}: the server redirects more than ${MAX_REDIRECTS} times; check the address`);
}

async function fetchOrExplain(url: string, address: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(address, init);
  } catch (error) {
    init.signal?.throwIfAborted();
    const { message, cause } = error as Error;
    const reason = cause instanceof Error && cause.message ? cause.message : message;
    throw new UserError(
      `${url}: cannot be fetched (${reason.split('\n')[0]}); check the network and the address${crossOriginHint(address)}`,
      { cause: error },
    );
  }
}

/** Browsers do not tell a page why another site's answer is kept from it. */
function crossOriginHint(address: string): string {
  const page = globalThis.location?.origin;
  const isOther = page !== undefined && /^https?:/.test(address) && new URL(address).origin !== page;
  return isOther ? ", and that the server's CORS headers let this page read it" : '';
}

function absolute(url: string): string {
  return URL.canParse(url) ? url : new URL(url, globalThis.location?.href).href;
}

/** The same host and port, or the same host by https after http. */
function sameHost(from: string, to: string): boolean {
  if (!URL.canParse(to)) return false;
  const [a, b] = [new URL(from), new URL(to)];
  if (a.protocol === b.protocol) return a.host === b.host && /^https?:$/.test(b.protocol);
  return a.protocol === 'http:' && b.protocol === 'https:' && a.hostname === b.hostname;
}

function otherHost(url: string, target: string): UserError {
  const host = URL.canParse(target) ? new URL(target).host : target.slice(0, 100);
  return new UserError(
    `${url}: the server redirects to another host, ${host}; give the address there, or redirects: 'any'`,
  );
}

/** The body of an answer, all of it. `onProgress` is called whenever some has arrived. */
async function readBody(
  url: string,
  response: Response,
  { signal, onBytes, maxBytes, onProgress }: FetchOptions & { onProgress?: () => void },
): Promise<Uint8Array<ArrayBuffer>> {
  const promised = promisedLength(response);
  const limit = Math.min(maxBytes ?? promised ?? MAX_UNDECLARED, promised ?? Number.POSITIVE_INFINITY);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  const tooLong = () => {
    void reader?.cancel().catch(() => {});
    return new UserError(`${url}: ${tooLongBecause(limit, promised, maxBytes)}`);
  };
  if (promised !== undefined && maxBytes !== undefined && promised > maxBytes) throw tooLong();
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader!.read()) {
      onProgress?.();
      length += part.value.length;
      if (length > limit) throw tooLong();
      chunks.push(part.value);
      onBytes?.(part.value.length, promised);
    }
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof UserError) throw error;
    throw brokenOff(url, length, promised, error);
  }
  if (promised !== undefined && length !== promised) throw brokenOff(url, length, promised);
  return joined(chunks, length);
}

function tooLongBecause(limit: number, promised: number | undefined, maxBytes: number | undefined): string {
  if (promised === limit) return `the server sends more than the ${promised} bytes that it announced`;
  if (maxBytes === undefined) {
    return `the server does not say how long the file is, and sends more than ${MAX_UNDECLARED} bytes; serve it with a Content-Length`;
  }
  return `the server sends more than the ${maxBytes} bytes that are expected; check the address`;
}

function brokenOff(url: string, length: number, promised: number | undefined, cause?: unknown): UserError {
  const of = promised === undefined ? '' : ` of ${promised}`;
  return new UserError(`${url}: the download broke off after ${length}${of} bytes; try again`, { cause });
}

/** The body's length if the server tells it; it counts what is sent, so not where that is compressed. */
function promisedLength({ headers }: Response): number | undefined {
  const length = headers.get('Content-Length');
  return length === null || headers.has('Content-Encoding') ? undefined : Number(length);
}

/** Takes the chunks off the list as it copies them, so that a large file is not held twice. */
function joined(chunks: Uint8Array[], length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let at = length;
  for (let chunk = chunks.pop(); chunk; chunk = chunks.pop()) {
    at -= chunk.length;
    bytes.set(chunk, at);
  }
  return bytes;
}
