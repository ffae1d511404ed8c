/** A model on the WASM engine, by what a platform gives it: threads, shared memory, a compiler. */
import type { EngineSource } from '../backend.js';
import {
  type CompileOptimized,
  createWasmEngine,
  type EngineForward,
  type StartWorker,
  type WasmEngine,
} from '../engines/wasm/index.js';
import { weightSpecs } from '../families/vit/weights.js';
import { watchingOutputs } from './engineOutputs.js';

/** What a platform gives the engine. */
export interface EngineHost {
  /** How many threads compute by default. */
  readonly threads: number;
  /** How to start a worker; without it the calling thread computes in slices, on memory that is not shared. */
  readonly startWorker: StartWorker | undefined;
  /** How long workers may take to start, in milliseconds; by default they start with the first call. */
  readonly startLimit?: number;
  readonly compile?: CompileOptimized;
  /** Whether 256-bit operations are tried without `compile`. */
  readonly tryWide?: boolean;
  /** Why there are no workers, where one might expect them. */
  readonly reason?: string;
}

/** The engine's outputs beside logits: the rows of embeddingForward, headLogits and inspectionForward. */
export type OutputName = 'embedding' | 'heads' | 'inspection';

export interface OpenedEngine {
  readonly engine: WasmEngine;
  /** What computes, and why not more. */
  readonly description: string;
}

/** Reads a model's weights into an engine. */
export async function openWasmEngine(source: EngineSource, host: EngineHost): Promise<OpenedEngine> {
  const { config, readWeight, threads = host.threads, onProgress, signal } = source;
  const { startWorker, startLimit, compile, tryWide } = host;
  const { logits, ...outputs }: Record<'logits' | OutputName, EngineForward> = watchingOutputs(config);
  const engine = await createWasmEngine({
    forward: logits,
    outputs,
    weights: weightSpecs(config),
    readWeight,
    inputShape: [...config.imgSize, config.inChans],
    threads,
    startWorker,
    startLimit,
    shared: startWorker !== undefined,
    compile,
    tryWide,
    onProgress,
    signal,
  });
  const reason = startWorker && !engine.hasWorkers ? 'one thread, as workers do not start here' : host.reason;
  if (!reason) return { engine, description: engine.description };
  return { engine, description: `${engine.description.replace(/, 1 thread$/, '')}; ${reason}` };
}
