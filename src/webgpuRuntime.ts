/** Models on the WebGPU engine, in browsers and in Node: on the device, and with the weights, of tfjs' backend. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { runningBackend } from './boundBackend.js';
import { whileThere } from './deviceLost.js';
import { WebgpuEngine, type WebgpuEngineOptions } from './engines/webgpu/engine.js';
import { ModelRefused } from './errors.js';
import { weightSpecs } from './families/vit/weights.js';
import { engineOutputs } from './models/engineOutputs.js';
import type { RunOptions, Runtime, VisionTransformer } from './models/visionTransformer.js';
import { namedWeights } from './models/weights.js';
import { sizeOf } from './shape.js';
import { unlessAborted } from './unlessAborted.js';
import { bufferOf } from './webgpuTensors.js';

const NAME = 'webgpu';

export interface WebgpuRuntimeOptions extends Pick<WebgpuEngineOptions, 'matrices'> {
  /** Whether products are computed of float16. */
  readonly half?: boolean;
}

/**
 * Makes the runtime of a model on the backend `webgpu`; features, attention maps and training stay with the layers.
 *
 * @throws ModelRefused if the GPU's memory does not hold the weights
 */
export async function webgpuRuntime(
  { config, layersModel }: VisionTransformer,
  { half = false, matrices }: WebgpuRuntimeOptions = {},
): Promise<Runtime> {
  const backend = runningBackend(NAME)!.instance as WebGPUBackend;
  const weights = namedWeights(layersModel);
  const specs = weightSpecs(config);
  backend.device.pushErrorScope('out-of-memory');
  for (const { name } of specs) bufferOf(backend, weights.get(name)!.read());
  if (await whileThere(backend.device.popErrorScope(), NAME)) {
    const bytes = 4 * specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    throw new ModelRefused(
      `the GPU's memory has no room for the ${Math.ceil(bytes / 2 ** 20)} MiB of ${config.name}'s weights; take another backend`,
    );
  }
  const engine = new WebgpuEngine({
    device: backend.device,
    outputs: { ...engineOutputs(config) },
    weights: specs,
    weight: (name) => bufferOf(backend, weights.get(name)!.read()),
    inputShape: [...config.imgSize, config.inChans],
    dtype: half ? 'float16' : 'float32',
    matrices,
    guard: (promise) => whileThere(promise, NAME),
  });
  const run =
    (output: string) =>
    (images: Float32Array, batch: number, { signal }: RunOptions = {}) =>
      unlessAborted(engine.run(images, batch, output), signal);
  return {
    predict(x) {
      const batch = x.shape[0];
      const buffer = engine.runBuffer(bufferOf(backend, x), batch);
      const logits = tf.tensor({ buffer }, [batch, buffer.size / 4 / batch], 'float32'); // a copy
      buffer.destroy();
      return logits as tf.Tensor2D;
    },
    run: run('logits'),
    embed: run('embedding'),
    heads: run('heads'),
    dispose: () => engine.dispose(),
  };
}
