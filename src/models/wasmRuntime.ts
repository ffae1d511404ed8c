import * as tf from '@tensorflow/tfjs-core';
import type { EngineFactory } from '../backend.js';
import type { EngineRuntime } from './visionTransformer.js';
import { type EngineHost, type OpenedEngine, openWasmEngine } from './wasmEngine.js';

/** Models on the WASM engine, for tfjs' tensors too. */
export function wasmRuntime(findHost: () => EngineHost | Promise<EngineHost>): EngineFactory {
  return async (source) => runtimeOf(await openWasmEngine(source, await findHost()));
}

/** An engine as what runs a model; it owns the engine. */
export function runtimeOf({ engine, description }: OpenedEngine): EngineRuntime {
  return {
    description,
    predict(x) {
      const batch = x.shape[0];
      const logits = engine.predict(x.dataSync<'float32'>(), batch);
      return tf.tensor2d(logits, [batch, engine.width]);
    },
    run: (images, batch, options) => engine.run(images, batch, options),
    embed: (images, batch, options) => engine.run(images, batch, { ...options, output: 'embedding' }),
    heads: (images, batch, options) => engine.run(images, batch, { ...options, output: 'heads' }),
    inspect: (images, batch, options) => engine.run(images, batch, { ...options, output: 'inspection' }),
    weight: (name) => engine.weight(name),
    dispose: () => engine.dispose(),
  };
}
