import * as tf from '@tensorflow/tfjs-core';
import { addEngine, type EngineSource } from '../backend.js';
import { createWasmEngine } from '../engines/wasm/index.js';
import { weightSpecs } from '../families/vit/weights.js';
import { probeSimd } from '../kernels/wasm/featureProbe.js';
import { engineOutputs } from '../models/engineOutputs.js';
import type { EngineRuntime, RunOptions } from '../models/visionTransformer.js';
import { computingCores } from './cores.js';
import { compileOptimized, startNodeWorker } from './wasmEngine.js';

/** A model on the WASM engine: shared memory of its own, threads, 256 bits where V8 has them. */
async function wasmRuntime(source: EngineSource): Promise<EngineRuntime> {
  const { config, readWeight, threads = computingCores(), onProgress, signal } = source;
  const { logits, ...outputs } = engineOutputs(config);
  const engine = await createWasmEngine({
    forward: logits,
    outputs,
    weights: weightSpecs(config),
    readWeight,
    inputShape: [...config.imgSize, config.inChans],
    threads,
    startWorker: startNodeWorker,
    compile: compileOptimized,
    onProgress,
    signal,
  });
  return {
    description: engine.description,
    predict(x) {
      const batch = x.shape[0];
      const logits = engine.predict(x.dataSync<'float32'>(), batch);
      return tf.tensor2d(logits, [batch, engine.width]);
    },
    run: (images: Float32Array, batch: number, options?: RunOptions) => engine.run(images, batch, options),
    embed: (images: Float32Array, batch: number, options?: RunOptions) =>
      engine.run(images, batch, { ...options, output: 'embedding' }),
    heads: (images: Float32Array, batch: number, options?: RunOptions) =>
      engine.run(images, batch, { ...options, output: 'heads' }),
    weight: (name) => engine.weight(name),
    dispose: () => engine.dispose(),
  };
}

/** Puts the engine behind the backend `wasm`; importing this module is enough. Without SIMD the layers compute. */
addEngine('wasm', () => (probeSimd() === 'none' ? undefined : wasmRuntime));
