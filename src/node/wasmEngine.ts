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

/** The first V8 that joins operations of these kernels (Node 24), and the last in which this was tried (Node 26). */
const LEAST_V8 = [13, 0] as const;
const LATEST_V8 = [14, 6] as const;
const WIDE = 'experimental-wasm-revectorize';
/** V8 flags and their default values. Without them, V8 optimises later, if at all. */
const EAGER = { liftoff: true, 'wasm-lazy-compilation': true, 'wasm-dynamic-tiering': true };
/** That optimised code can go back to unoptimised code, of which there is none here: V8 ends the process over it. */
const DEOPT = 'wasm-deopt';
/** The first V8 that has it on (Node 25). */
const DEOPT_V8 = [14, 0] as const;

/** Compiles with V8's optimising compiler, and 256-bit operations if `wide`; undefined where that is not possible. */
export const compileOptimized: CompileOptimized = (binary, wide) => {
  if (process.arch !== 'x64' || !isTried()) return undefined;
  // V8 keeps one compilation of the same bytes: an empty section tells the two apart.
  const marked = wide ? withEmptySection(binary) : binary;
  const defaults = { ...EAGER, [DEOPT]: isFrom(DEOPT_V8) };
  return withFlags(defaults, wide, () => new WebAssembly.Module(marked));
};

/** A V8 that these flags do not suit ends the process: where they were not tried, DEIT_WASM_WIDE=1 asks for them. */
function isTried(): boolean {
  const { DEIT_WASM_WIDE: asked } = process.env;
  const [major, minor] = LATEST_V8;
  return asked !== '0' && isFrom(LEAST_V8) && (asked === '1' || !isFrom([major, minor + 1]));
}

/** Whether V8 is of this version or a later one. */
function isFrom([major, minor]: readonly [number, number]): boolean {
  const [own = 0, ownMinor = 0] = process.versions.v8.split('.').map(Number);
  return own > major || (own === major && ownMinor >= minor);
}

/** A custom section named `w`, and nothing in it. */
function withEmptySection(binary: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const marked = new Uint8Array(binary.length + 4);
  marked.set(binary);
  marked.set([0, 2, 1, 0x77], binary.length);
  return marked;
}

/**
 * Runs `work` with flags of V8 off and that of 256 bits as told, and puts them back to what they were.
 *
 * @param defaults the flags, and what V8 has where the process was not started with them
 */
function withFlags<T>(defaults: Readonly<Record<string, boolean>>, wide: boolean, work: () => T): T {
  const all = { [WIDE]: false, ...defaults };
  const before = Object.entries(all).map(([name, value]) => [name, givenFlag(name) ?? value] as const);
  for (const name of Object.keys(all)) setFlag(name, name === WIDE && wide);
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
function givenFlag(name: string): boolean | undefined {
  const given = [...(process.env.NODE_OPTIONS ?? '').split(/\s+/), ...process.execArgv].map((flag) =>
    flag.replaceAll('_', '-'),
  );
  const last = given.findLast((flag) => flag === `--${name}` || flag === `--no-${name}`);
  return last === undefined ? undefined : last === `--${name}`;
}
