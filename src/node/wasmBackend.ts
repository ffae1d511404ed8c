/**
 * tfjs' WASM backend, started in synchronous code: createModel and tfjs' own ops work right after the import. Its own
 * start is asynchronous and leaves Emscripten's handlers of uncaughtException and unhandledRejection in the process.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, isAbsolute, join } from 'node:path';
import { BackendWasm } from '@tensorflow/tfjs-backend-wasm';
import * as tf from '@tensorflow/tfjs-core';
import {
  currentBackendName,
  makeCurrent,
  runningBackend,
  setSynchronousStart,
  startBackendNow,
} from '../boundBackend.js';
import { UserError } from '../errors.js';
import { probeSimd, registerConvolutionGradient } from '../kernels/wasm/index.js';
import { registerWasmKernelsOnce } from '../kernels/wasm/kernelsNow.js';
import { bindTfjs, type TfjsModule } from '../kernels/wasm/wasmBackend.js';

const NAME = 'wasm';
/** That of tfjs-backend-wasm: above the CPU's, below tfjs-node's. */
const PRIORITY = 2;
const PACKAGE = '@tensorflow/tfjs-backend-wasm';

const require = createRequire(import.meta.url);

/** What of Emscripten's module the backend is built on. */
interface EmscriptenModule extends TfjsModule {
  instantiateWasm(
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ): WebAssembly.Exports;
}

function createWasmBackend(): tf.KernelBackend {
  const binary = readBinary(`tfjs-backend-wasm${simd() ? '-simd' : ''}.wasm`);
  const module: EmscriptenModule = {
    instantiateWasm(imports, done) {
      const compiled = new WebAssembly.Module(binary);
      const instance = new WebAssembly.Instance(compiled, imports);
      done(instance, compiled);
      return instance.exports;
    },
  };
  const factory = require(`${PACKAGE}/wasm-out/tfjs-backend-wasm.js`) as (
    config: EmscriptenModule,
  ) => unknown;
  withoutNewHandlers(() => factory(module));
  bindTfjs(module);
  return new BackendWasm(module as unknown as ConstructorParameters<typeof BackendWasm>[0]);
}

/** The path is put together, since a bundler that sees a .wasm file in require.resolve wants to build it (Turbopack). */
function readBinary(file: string): Uint8Array<ArrayBuffer> {
  const found = require.resolve(`${PACKAGE}/package.json`);
  if (typeof found !== 'string' || !isAbsolute(found)) {
    throw new UserError(
      'deit-tfjs/node was put into a bundle, where it does not find its files; name deit-tfjs as external (Next.js: serverExternalPackages)',
    );
  }
  return readFileSync(join(dirname(found), 'wasm-out', file));
}

function simd(): boolean {
  return probeSimd() !== 'none';
}

const EVENTS = ['uncaughtException', 'unhandledRejection'] as const;

/** Takes off the handlers that `run` has added to the process, and no others. */
function withoutNewHandlers(run: () => void): void {
  const listeners = (event: string) => process.listeners(event as 'uncaughtException');
  const before = EVENTS.map((event) => ({ event, left: listeners(event) }));
  try {
    run();
  } finally {
    for (const { event, left } of before) {
      for (const listener of listeners(event)) {
        const at = left.indexOf(listener);
        if (at >= 0) left.splice(at, 1);
        else process.removeListener(event, listener);
      }
    }
  }
}

/** Starts the backend where none is current, and gives it our kernels. */
function prepareWasm(): void {
  const current = currentBackendName();
  if (current === undefined) makeCurrent(startBackendNow(NAME));
  else if (current !== NAME || !runningBackend(NAME)) return;
  registerConvolutionGradient();
  registerWasmKernelsOnce();
}

/** Whether tfjs' own start of the backend has begun; it is left alone then. */
function isStarted(): boolean {
  return currentBackendName() === NAME || runningBackend(NAME) !== undefined;
}

if (!isStarted()) {
  // The backend starts at its first use: here only the way in which it will do so is set.
  tf.removeBackend(NAME);
  tf.registerBackend(NAME, createWasmBackend, PRIORITY);
}
setSynchronousStart(prepareWasm);
