import type { EngineHost } from '../models/wasmEngine.js';
import { computingCores } from './cores.js';
import { compileOptimized, startNodeWorker } from './wasmEngine.js';

/** What the WASM engine has in Node: threads, and 256 bits where V8 has them. */
export function nodeHost(): EngineHost {
  return { threads: computingCores(), startWorker: startNodeWorker, compile: compileOptimized };
}
