/** What the WASM engine needs of Node: worker threads, the number of cores, and V8's flag for 256-bit operations. */
import v8 from 'node:v8';
import { Worker } from 'node:worker_threads';
import type { CompileOptimized, EngineWorker } from '../engines/wasm/index.js';

/** Web workers' names for what Node's workers have. */
const PRELUDE = `
const { parentPort } = require('node:worker_threads');
const postMessage = (message) => parentPort.postMessage(message);
let onmessage;
parentPort.once('message', (data) => onmessage({ data }));
`;

/** A worker thread that ends with the process and does not keep it alive. */
export function startNodeWorker(source: string): EngineWorker {
  // Not with the process's own options: `--input-type=module` would make a module of a script.
  const worker = new Worker(PRELUDE + source, { eval: true, execArgv: [], stdout: false, stderr: false });
  const started: EngineWorker = {
    onmessage: null,
    onerror: null,
    postMessage: (message) => worker.postMessage(message),
    terminate: () => worker.terminate(),
    ref: () => worker.ref(),
    unref: () => worker.unref(),
  };
  worker.on('message', (data) => started.onmessage?.({ data }));
  worker.on('error', (error) => started.onerror?.(error));
  worker.on('exit', (code) => started.onerror?.(code));
  return started;
}

/** The first V8 that joins operations of these kernels (Node 24). */
const LEAST_V8 = 13;
const WIDE = 'experimental-wasm-revectorize';
/** V8 flags and their default values. Without them, V8 optimises later, if at all. */
const EAGER = { liftoff: true, 'wasm-lazy-compilation': true, 'wasm-dynamic-tiering': true };

/** Compiles with V8's optimising compiler, and 256-bit operations if `wide`; undefined where V8 has no such flag. */
export const compileOptimized: CompileOptimized = (binary, wide) => {
  const [version = 0] = process.versions.v8.split('.').map(Number);
  if (process.env.DEIT_WASM_WIDE === '0' || process.arch !== 'x64' || version < LEAST_V8) return undefined;
  // V8 keeps one compilation of the same bytes: an empty section tells the two apart.
  const marked = wide ? withEmptySection(binary) : binary;
  return withFlags(
    { [WIDE]: wide, liftoff: false, 'wasm-lazy-compilation': false, 'wasm-dynamic-tiering': false },
    () => new WebAssembly.Module(marked),
  );
};

/** A custom section named `w`, and nothing in it. */
function withEmptySection(binary: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const marked = new Uint8Array(binary.length + 4);
  marked.set(binary);
  marked.set([0, 2, 1, 0x77], binary.length);
  return marked;
}

/** Runs `work` with flags of V8, and puts them back to what they were. */
function withFlags<T>(flags: Record<string, boolean>, work: () => T): T {
  const before = Object.entries(flags).map(([name]) => [name, flagValue(name)] as const);
  for (const [name, on] of Object.entries(flags)) setFlag(name, on);
  try {
    return work();
  } finally {
    for (const [name, on] of before) setFlag(name, on);
  }
}

function setFlag(name: string, on: boolean): void {
  v8.setFlagsFromString(`--${on ? '' : 'no-'}${name}`);
}

/** What the process was started with; V8 does not tell. */
function flagValue(name: string): boolean {
  const given = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv].map((flag) =>
    flag.replaceAll('_', '-'),
  );
  const last = given.findLast((flag) => flag === `--${name}` || flag === `--no-${name}`);
  return last === undefined ? (EAGER[name as keyof typeof EAGER] ?? false) : last === `--${name}`;
}
