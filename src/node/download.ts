import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { UserError } from '../errors.js';
import { networkReason } from '../hub/networkReason.js';
import { type KnownHash, keepSum, keptSum, officialHash, sha256File, wrongHash } from './hash.js';
import { makeFolder } from './makeFolder.js';
import { type FileVersion, megabytes, PartialFile } from './partialFile.js';

export interface DownloadOptions {
  /** SHA-256 that the file must have, in hexadecimal; by default what the table of official files says of its name. */
  readonly sha256?: string;
  /** Waits before new tries when a connection was lost, in ms, until one brings bytes; as many tries are made. */
  readonly pauses?: readonly number[];
  /** A connection on which nothing comes for this long counts as lost, in ms. */
  readonly stallMs?: number;
  /** Called with the bytes that are there and, if the server says, how many there will be. */
  readonly onProgress?: (done: number, total: number | null) => void;
  /** Called with one line whenever something was tried again. */
  readonly onNotice?: (message: string) => void;
}

export interface Downloaded {
  readonly path: string;
  readonly bytes: number;
  /** In hexadecimal, of the whole file. */
  readonly sha256: string;
  /** Whether the hash was compared with a published one; false: none is known. */
  readonly hashChecked: boolean;
  /** Hexadecimal digits of it that were compared: 64 are all of it, 8 are 32 bits, 0 none. */
  readonly hashDigits: number;
  /** Bytes that an earlier run had left. */
  readonly resumedFrom: number;
  /** Whether the whole file was there already. */
  readonly existed: boolean;
}

const PAUSES_MS = [1000, 2000, 4000, 8000, 16000];
const STALL_MS = 30_000;

/** The connection ended before the file did: worth another try. */
class LostConnection extends Error {
  constructor(
    message: string,
    /** Whether the server has answered at all. */
    readonly answered: boolean,
  ) {
    super(message);
  }
}

/**
 * Downloads a file. What comes is kept beside `target` and gets its name when it is whole and its SHA-256 is what it is
 * known to be, or begins with what is known of it. The sum is kept in `TARGET.sha256`. A lost connection is taken up
 * again where it was lost, in this run and in later ones, as far as the server gives ranges.
 *
 * @param target path of the file; one that is there already is checked, never replaced
 * @throws UserError if the server cannot be reached or has no such file, the hash is wrong, or the disk is full
 */
export async function downloadFile(
  url: string,
  target: string,
  options: DownloadOptions = {},
): Promise<Downloaded> {
  const { sha256: given } = options;
  const expected: KnownHash | undefined =
    given === undefined ? officialHash(new URL(url).pathname) : { digits: given, source: 'as published' };
  const there = await stat(target).catch(() => undefined);
  if (there) return checkExisting(target, expected, there);
  await makeFolder(dirname(target)).catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`${dirname(target)}: cannot be made (${error.code}); choose a place with --out`);
  });
  const partial = await PartialFile.find(target);
  // Without a hash to check at the end, only the server can say that both halves are of one file.
  if (!expected && !partial.version?.validator) await partial.discard();
  const resumedFrom = partial.size;
  try {
    await receiveAll(url, partial, options);
    let sha256 = await sha256File(partial.path);
    if (expected && !sha256.startsWith(expected.digits) && resumedFrom > 0) {
      options.onNotice?.('the hash is wrong; what an earlier run had left is thrown away');
      await partial.discard();
      await receiveAll(url, partial, options);
      sha256 = await sha256File(partial.path);
    }
    if (expected && !sha256.startsWith(expected.digits)) {
      await partial.discard();
      throw new UserError(
        `${wrongHash(url, expected, sha256)}; what the server sends is damaged or another file, nothing was kept`,
      );
    }
    await partial.finish();
    await keepSum(target, sha256);
    return {
      path: target,
      bytes: partial.size,
      sha256,
      ...checkOf(expected),
      resumedFrom,
      existed: false,
    };
  } finally {
    if (partial.size > 0) await partial.close();
    else await partial.discard();
  }
}

function checkOf(expected: KnownHash | undefined): Pick<Downloaded, 'hashChecked' | 'hashDigits'> {
  return { hashChecked: expected !== undefined, hashDigits: expected?.digits.length ?? 0 };
}

async function checkExisting(
  target: string,
  expected: KnownHash | undefined,
  info: { size: number; isFile(): boolean },
): Promise<Downloaded> {
  if (!info.isFile()) throw new UserError(`${target}: is there and is no file; choose a place with --out`);
  const sha256 = await sha256File(target);
  for (const known of [expected, await keptSum(target)]) {
    if (known && !sha256.startsWith(known.digits)) {
      throw new UserError(
        `${wrongHash(`${target}, which is there already`, known, sha256)}; ` +
          'remove it or choose another place with --out',
      );
    }
  }
  return { path: target, bytes: info.size, sha256, ...checkOf(expected), resumedFrom: 0, existed: true };
}

/** Takes up lost connections until the file is whole. */
async function receiveAll(url: string, partial: PartialFile, options: DownloadOptions): Promise<void> {
  const pauses = options.pauses ?? PAUSES_MS;
  let tries = 0;
  let answered = partial.size > 0;
  for (;;) {
    const before = partial.size;
    try {
      if (await receive(url, partial, options)) return;
    } catch (error) {
      if (!(error instanceof LostConnection)) throw error;
      answered ||= error.answered;
      if (!answered) {
        throw new UserError(
          `${url}: cannot be reached (${error.message}); check the network, or download it elsewhere and put it at ${partial.target}`,
        );
      }
      if (partial.size > before) tries = 0;
      if (tries === pauses.length) throw new UserError(gaveUp(url, partial, error.message));
      options.onNotice?.(`${error.message}; goes on from ${megabytes(partial.size)} MB`);
      await pause(pauses[tries++]);
    }
  }
}

function gaveUp(url: string, partial: PartialFile, reason: string): string {
  const total = partial.version?.total;
  const of = total ? ` of ${megabytes(total)}` : '';
  return (
    `${url}: ${reason}, and further tries got no more than ${megabytes(partial.size)}${of} MB; ` +
    'run the same command again to go on from there'
  );
}

/** One request. Gives true when the file is whole, false when it is to be asked for from its beginning. */
async function receive(url: string, partial: PartialFile, options: DownloadOptions): Promise<boolean> {
  const stall = stallGuard(options.stallMs ?? STALL_MS);
  const { onProgress } = options;
  try {
    const response = await ask(url, partial, stall.signal);
    const plan = planFor(response, partial);
    if (plan === 'whole') return true;
    if (plan === 'restart') {
      await response.body?.cancel();
      await partial.discard();
      return false;
    }
    if (plan === 'from the beginning') await partial.restart(versionOf(response));
    await partial.requireRoom();
    const total = partial.version?.total ?? null;
    onProgress?.(partial.size, total);
    for await (const chunk of chunks(response)) {
      stall.alive();
      await partial.append(chunk);
      onProgress?.(partial.size, total);
    }
    if (total !== null && partial.size < total) throw new LostConnection('the connection was closed', true);
    return true;
  } finally {
    stall.stop();
  }
}

/** Asks for what is missing. */
async function ask(url: string, partial: PartialFile, signal: AbortSignal): Promise<Response> {
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (partial.size > 0) {
    headers.range = `bytes=${partial.size}-`;
    const { validator } = partial.version ?? {};
    if (validator) headers['if-range'] = validator;
  }
  try {
    return await fetch(url, { headers, signal });
  } catch (error) {
    throw new LostConnection(networkReason(error), false);
  }
}

/** What an answer means for what is there. Throws if it is no answer to work with. */
function planFor(
  response: Response,
  partial: PartialFile,
): 'append' | 'from the beginning' | 'restart' | 'whole' {
  const { status } = response;
  const total = partial.version?.total ?? null;
  if (status === 200) return 'from the beginning'; // also the answer of a server that gives no ranges
  const asked = partial.size > 0;
  const range = /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
  const size = range && range[2] !== '*' ? Number(range[2]) : null;
  if (status === 206 && asked) {
    const sameFile = total === null || size === null || size === total;
    return range && Number(range[1]) === partial.size && sameFile ? 'append' : 'restart';
  }
  if (status === 416 && asked) return size === partial.size ? 'whole' : 'restart';
  const answer = `the server answered ${status} ${response.statusText}`.trimEnd();
  if (status >= 500 || status === 408 || status === 429) throw new LostConnection(answer, true);
  throw new UserError(`${response.url}: ${answer}; the file is not there, or access is denied`);
}

function versionOf({ headers }: Response): FileVersion {
  const etag = headers.get('etag');
  const strong = etag?.startsWith('W/') ? null : etag;
  const length = headers.get('content-length');
  // A body that was compressed anyway has another length than the file.
  const total = length !== null && !headers.has('content-encoding') ? Number(length) : null;
  return { validator: strong ?? headers.get('last-modified'), total };
}

async function* chunks(response: Response): AsyncGenerator<Uint8Array> {
  const reader = response.body!.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        throw new LostConnection(networkReason(error), true);
      });
      if (done) return;
      yield value;
    }
  } finally {
    // The rest of a body that is not read on must not keep the connection.
    await reader.cancel().catch(() => {});
  }
}

/** Aborts when nothing has come for a while. */
function stallGuard(ms: number) {
  const controller = new AbortController();
  const timer = setTimeout(
    () => controller.abort(new Error(`nothing came for ${Math.round(ms / 1000)} s`)),
    ms,
  );
  return {
    signal: controller.signal,
    alive: () => void timer.refresh(),
    stop: () => clearTimeout(timer),
  };
}
