/** What the WASM engine has in a page or a web worker: workers where memory can be shared, else the calling thread. */
import { compileEngine, type EngineWorker } from '../engines/wasm/index.js';
import type { EngineHost } from '../models/wasmEngine.js';
import { blobWorkersStart, requireWebAssembly, TEXT_WORKER, textUrl } from './policy.js';

/** How long workers may take to start, in milliseconds. */
const START_LIMIT = 10_000;

let threadless: Promise<string | undefined> | undefined;

/** Begins to compile the kernels too. Throws a UserError if there is no WebAssembly here, or the page may not use it. */
export async function browserHost(): Promise<EngineHost> {
  requireWebAssembly();
  threadless ??= whyNoThreads();
  const reason = await threadless;
  const tryWide = mayBeWide();
  // While the files of a model arrive; what fails here fails again where it is told.
  compileEngine({ shared: reason === undefined, tryWide }).catch(() => {});
  if (reason !== undefined) return { threads: 1, startWorker: undefined, reason, tryWide };
  return { threads: defaultThreads(), startWorker: startWebWorker, startLimit: START_LIMIT, tryWide };
}

/** Whether this may be V8 on x64: only there is the flag that a browser can have been started with. */
function mayBeWide(): boolean {
  const agent = globalThis.navigator?.userAgent ?? '';
  return /Chrom(e|ium)\//.test(agent) && !/Mobile|Android|\barm|aarch64/i.test(agent);
}

/** Half the logical cores, as two of them often share one core's arithmetic; at least one. */
function defaultThreads(): number {
  return Math.max(1, Math.floor((globalThis.navigator?.hardwareConcurrency ?? 1) / 2));
}

/** Why workers cannot compute with the page, if they cannot. */
async function whyNoThreads(): Promise<string | undefined> {
  if (typeof Worker === 'undefined') return 'one thread, as there are no web workers here';
  try {
    sendMemory();
  } catch (error) {
    // Where memory is not shared, browsers hide the class or refuse to send it.
    if (globalThis.crossOriginIsolated === false)
      return 'one thread, as the page is not cross-origin isolated';
    return `one thread, as the browser gives no shared memory (${(error as Error).message})`;
  }
  if (await blobWorkersStart()) return undefined;
  if (typeof location === 'undefined') return 'one thread, as workers do not start here';
  return "one thread, as the page's Content-Security-Policy forbids workers of a blob (add blob: to its worker-src)";
}

/** Asks for the least shared memory that the engine takes (engines/wasm/memory.ts), and sends it. */
function sendMemory(): void {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 8192, shared: true });
  const { port1 } = new MessageChannel();
  port1.postMessage(memory.buffer);
  port1.close();
}

/** A worker that runs a script, which is a text. */
function startWebWorker(source: string): EngineWorker {
  const { url, free } = textUrl(source);
  const worker = new Worker(url, { type: TEXT_WORKER, name: 'deit-tfjs thread' });
  const started: EngineWorker = {
    onmessage: null,
    onerror: null,
    postMessage: (message) => worker.postMessage(message),
    terminate() {
      worker.terminate();
      free();
    },
  };
  worker.onmessage = ({ data }) => {
    free(); // its script has been read
    started.onmessage?.({ data });
  };
  worker.onmessageerror = (event) => started.onerror?.(event);
  worker.onerror = (event) => {
    event.preventDefault();
    started.onerror?.(event);
  };
  return started;
}
