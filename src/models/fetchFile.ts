import { UserError } from '../errors.js';

export interface FetchOptions {
  signal?: AbortSignal;
  /** Called as the bytes of the body arrive, with the number of those that are new and of all, if that is known. */
  onBytes?: (count: number, total?: number) => void;
}

/** Fetches the whole body behind a URL; rejects with a UserError that says what went wrong. */
export type FetchFile = (url: string, options?: FetchOptions) => Promise<Uint8Array<ArrayBuffer>>;

/** Fetches a file over the network. */
export const fetchFile: FetchFile = async (url, options = {}) =>
  readBody(url, await request(url, { signal: options.signal }), options);

/** As fetch, but anything except an answer with a file is a UserError; an abort stays an AbortError. */
export async function request(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, init);
  } catch (error) {
    init.signal?.throwIfAborted();
    throw new UserError(
      `${url}: cannot be fetched (${(error as Error).message}); check the network and the address`,
      { cause: error },
    );
  }
  if (!response.ok)
    throw new UserError(`${url}: the server answered ${response.status} ${response.statusText}`.trimEnd());
  if (/^text\/html\b/i.test(response.headers.get('Content-Type') ?? '')) {
    throw new UserError(
      `${url}: the server answered with a web page, not with a file of a model; check the address`,
    );
  }
  return response;
}

/** The body of an answer, all of it. */
export async function readBody(
  url: string,
  response: Response,
  { signal, onBytes }: FetchOptions,
): Promise<Uint8Array<ArrayBuffer>> {
  const promised = promisedLength(response);
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    const reader = response.body?.getReader();
    for (let part = await reader?.read(); part && !part.done; part = await reader!.read()) {
      chunks.push(part.value);
      length += part.value.length;
      onBytes?.(part.value.length, promised);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw brokenOff(url, length, promised, error);
  }
  if (promised !== undefined && length !== promised) throw brokenOff(url, length, promised);
  return joined(chunks, length);
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
