/** What a page's Content-Security-Policy forbids: the browser's own errors do not say that it was the policy. */
import { UserError } from '../errors.js';

interface Violation {
  readonly directive: string;
  /** The address, or `blob`, `inline` and the like. */
  readonly blocked: string;
}

const MOST = 50;
const violations: Violation[] = [];

/** Notes violations from now on. To be called once. */
export function watchPolicy(): void {
  globalThis.addEventListener?.('securitypolicyviolation', (event) => {
    const { effectiveDirective, blockedURI, disposition } = event as SecurityPolicyViolationEvent;
    if (disposition === 'report') return;
    violations.push({ directive: effectiveDirective, blocked: blockedURI });
    if (violations.length > MOST) violations.shift();
  });
}

/** How long an event may come after the error that it explains, in milliseconds. */
const EVENT_MS = 100;

/** The directive that has forbidden an address or the blobs, if one has; to be asked after a failure. */
export async function forbiddenBy(address: string): Promise<string | undefined> {
  await new Promise((resolve) => setTimeout(resolve, EVENT_MS));
  const isBlob = address.startsWith('blob:');
  const found = violations.find(({ blocked }) =>
    // Another site's address may be told by its origin alone.
    isBlob
      ? blocked === 'blob' || blocked.startsWith('blob:')
      : blocked !== '' && sameAddress(blocked, address),
  );
  return found?.directive;
}

function sameAddress(blocked: string, address: string): boolean {
  return blocked === address.replace(/#.*$/, '') || blocked === new URL(address).origin;
}

/** What `fetchIt` gives; if it fails because the policy forbids the address, the error says so. */
export async function explainBlocked<T>(url: string, fetchIt: () => Promise<T>): Promise<T> {
  try {
    return await fetchIt();
  } catch (error) {
    if (!(error instanceof UserError) || !(error.cause instanceof TypeError)) throw error;
    const address = new URL(url, globalThis.location?.href);
    const directive = await forbiddenBy(address.href);
    if (!directive) throw error;
    const allow = address.protocol === 'blob:' ? 'blob:' : address.origin;
    throw new UserError(
      `${url}: the page's Content-Security-Policy forbids to fetch it; add ${allow} to its ${directive}`,
      { cause: error },
    );
  }
}

/** The smallest WASM module. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** @throws UserError if there is no WebAssembly here, or the page may not use it */
export function requireWebAssembly(): void {
  if (typeof WebAssembly !== 'object') {
    throw new UserError('this browser has no WebAssembly, or it is switched off (Lockdown Mode)');
  }
  try {
    new WebAssembly.Module(EMPTY_MODULE);
  } catch (cause) {
    if (typeof location === 'undefined') {
      throw new UserError(`this host lets no code compile WebAssembly (${(cause as Error).message})`, {
        cause,
      });
    }
    throw new UserError(
      "the page's Content-Security-Policy forbids WebAssembly; add 'wasm-unsafe-eval' to its script-src",
      { cause },
    );
  }
}

/** The type of workers of a text. Deno has modules alone, where old browsers have no modules. */
export const TEXT_WORKER: WorkerType = 'Deno' in globalThis ? 'module' : 'classic';

/** A worker that has not answered after so many milliseconds is taken not to start. */
const PROBE_MS = 5000;

let started: Promise<boolean> | undefined;

/** Whether workers start from blobs here, which a policy may forbid (worker-src, else script-src); asked once. */
export function blobWorkersStart(): Promise<boolean> {
  started ??= workerAnswers('postMessage(0)');
  return started;
}

/** Whether such a worker may take in a script from a blob too, as tfjs' threads do (script-src). */
export function blobWorkersImport(): Promise<boolean> {
  const imported = "URL.createObjectURL(new Blob(['postMessage(0)'], { type: 'text/javascript' }))";
  return workerAnswers(`importScripts(${imported})`);
}

function workerAnswers(script: string): Promise<boolean> {
  return new Promise((resolve) => {
    const { url, free } = textUrl(script);
    const settle = (starts: boolean) => {
      clearTimeout(timer);
      worker?.terminate();
      free();
      resolve(starts);
    };
    const timer = setTimeout(settle, PROBE_MS, false);
    let worker: Worker | undefined;
    try {
      worker = new Worker(url, { type: TEXT_WORKER });
      worker.onmessage = () => settle(true);
      worker.onerror = (event) => {
        event.preventDefault();
        settle(false);
      };
    } catch {
      settle(false);
    }
  });
}

/** The address of a script that is a text, until it is freed. */
export function textUrl(script: string): { readonly url: string; readonly free: () => void } {
  const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
  return { url, free: () => URL.revokeObjectURL(url) };
}

/** The same where nothing tells when it was read: it is freed after a minute, long after a worker has started. */
export function scriptUrl(script: string): string {
  const { url, free } = textUrl(script);
  setTimeout(free, 60_000);
  return url;
}
