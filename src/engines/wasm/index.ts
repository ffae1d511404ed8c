/** The WASM engine: a whole forward pass on shared memory of its own, on several threads. */
export {
  createWasmEngine,
  type EngineForward,
  type RunOptions,
  type WasmEngine,
  type WasmEngineOptions,
} from './engine.js';
export { type CompileOptimized, compileEngine } from './module.js';
export type { Value } from './record.js';
export type { EngineWorker, StartWorker } from './team.js';
export type { WeightRow } from './weightLayout.js';
