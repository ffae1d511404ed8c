/**
 * tfjs' WASM backend, started in a page or a web worker. tfjs' own start never settles where threads are blocked, and
 * its errors do not tell a page's policy from a file that is not there.
 */
import { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as plainModule from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm.js';
import * as threadedModule from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.js';
// @ts-expect-error tfjs gives it no types
import * as threadModule from '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js';
import * as tf from '@tensorflow/tfjs-core';
import { runningBackend } from '../boundBackend.js';
import { UserError } from '../errors.js';
import { bindTfjs, type TfjsModule } from '../kernels/wasm/wasmBackend.js';
import { withTimeLimit } from '../timeLimit.js';
import { readWasmFile, type WasmFile } from './assets.js';
import { blobWorkersImport, blobWorkersStart, requireWebAssembly, scriptUrl } from './policy.js';

const NAME = 'wasm';
/** That of tfjs-backend-wasm. */
const PRIORITY = 2;

/** How long tfjs' threads may take to start, in milliseconds; then the build without threads is used. */
const THREADS_START_MS = 10_000;

/** What of Emscripten's module the backend is built on. */
interface EmscriptenModule extends TfjsModule {
  instantiateWasm(
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): object;
  locateFile(path: string): string;
  mainScriptUrlOrBlob?: Blob;
  onAbort?(reason: unknown): void;
  printErr?(line: string): void;
  PThread?: { terminateAllThreads(): void };
}

type Factory = (module: EmscriptenModule) => Promise<EmscriptenModule>;

/** What a CommonJS module exports, whether the bundler gives it as the default or as the whole. */
const exported = <T>(module: object): T => ('default' in module ? module.default : module) as T;

let withoutThreads: string | undefined;

/** Why the backend runs one thread where it could share memory; undefined if it does not, or could not. */
export function reasonWithoutThreads(): string | undefined {
  return withoutThreads;
}

/** Has the backend of this name started in our way, unless it runs already. */
export function registerWasmBackend(): void {
  if (runningBackend(NAME)) return;
  tf.removeBackend(NAME);
  tf.registerBackend(NAME, createWasmBackend, PRIORITY);
}

async function createWasmBackend(): Promise<tf.KernelBackend> {
  requireWebAssembly();
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  const threads = simd && (await tf.env().getAsync('WASM_HAS_MULTITHREAD_SUPPORT'));
  const module = (threads && (await startThreads())) || (await startPlain(simd === true));
  bindTfjs(module);
  return new BackendWasm(module as unknown as ConstructorParameters<typeof BackendWasm>[0]);
}

async function startPlain(simd: boolean): Promise<EmscriptenModule> {
  const file: WasmFile = simd ? 'tfjs-backend-wasm-simd.wasm' : 'tfjs-backend-wasm.wasm';
  const compiled = await compile(file);
  return instantiate(exported<Factory>(plainModule), compiled);
}

/** The build with threads; undefined, with a reason, where it does not start. */
async function startThreads(): Promise<EmscriptenModule | undefined> {
  withoutThreads = await whatForbidsThreads();
  if (withoutThreads !== undefined) return undefined;
  const compiled = await compile('tfjs-backend-wasm-threaded-simd.wasm');
  const factory = exported<Factory>(threadedModule);
  const { wasmWorkerContents } = exported<{ wasmWorkerContents: string }>(threadModule);
  const mainScriptUrlOrBlob = new Blob([`var WasmBackendModuleThreadedSimd = ${factory}`], {
    type: 'text/javascript',
  });
  const late = (): never => {
    throw new UserError(`its threads do not start within ${THREADS_START_MS / 1000} s`);
  };
  const module: Partial<EmscriptenModule> = {
    mainScriptUrlOrBlob,
    // A line break in the text stands within a string there.
    locateFile: () => scriptUrl(wasmWorkerContents.replace(/\n/g, '\\n')),
    printErr: () => {},
  };
  try {
    const started = await withTimeLimit(instantiate(factory, compiled, module), THREADS_START_MS, late);
    delete started.printErr;
    return started;
  } catch (error) {
    module.PThread?.terminateAllThreads();
    withoutThreads = `one thread, as the build with threads does not start (${(error as Error).message})`;
    return undefined;
  }
}

async function whatForbidsThreads(): Promise<string | undefined> {
  const policy = "one thread, as the page's Content-Security-Policy forbids";
  if (!(await blobWorkersStart())) return `${policy} workers of a blob (add blob: to its worker-src)`;
  if (!(await blobWorkersImport()))
    return `${policy} scripts of a blob in workers (add blob: to its script-src)`;
  return undefined;
}

/** Runs Emscripten's factory on a compiled module; rejects if that cannot be instantiated. */
function instantiate(
  factory: Factory,
  compiled: WebAssembly.Module,
  module: Partial<EmscriptenModule> = {},
): Promise<EmscriptenModule> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => reject(instantiationError(error));
    const complete: EmscriptenModule = Object.assign(module, {
      locateFile: module.locateFile ?? ((path: string) => path),
      onAbort: fail,
      instantiateWasm(
        imports: WebAssembly.Imports,
        done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
      ) {
        WebAssembly.instantiate(compiled, imports).then((instance) => done(instance, compiled), fail);
        return {};
      },
    });
    try {
      factory(complete).then(resolve, fail);
    } catch (error) {
      fail(error);
    }
  });
}

function instantiationError(error: unknown): UserError {
  const message = error instanceof Error ? error.message : String(error);
  const noMemory = error instanceof RangeError || /memory/i.test(message);
  const remedy = noMemory ? '; the browser gives the page no more memory: close other tabs, or models' : '';
  return new UserError(`the WASM backend does not start here: ${message}${remedy}`, { cause: error });
}

async function compile(file: WasmFile): Promise<WebAssembly.Module> {
  const bytes = await readWasmFile(file);
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw new UserError(`${file}: is damaged, or not of TensorFlow.js 4.22.0 (${(cause as Error).message})`, {
      cause,
    });
  }
}
