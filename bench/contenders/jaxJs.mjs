/** jax-js: an ONNX file through @jax-js/onnx, compiled by its jit for WebAssembly. */
import { readFile } from 'node:fs/promises';
import { perBatch } from '../lib/perBatch.mjs';

export const layout = 'planes';

export async function open({ folder, size }) {
  const { defaultDevice, init, jit, numpy } = await import('@jax-js/jax');
  const { ONNXModel } = await import('@jax-js/onnx');
  await init('wasm');
  defaultDevice('wasm');
  return perBatch(async (batch) => {
    const model = new ONNXModel(await readFile(`${folder}/onnx/${batch}/onnx/model.onnx`));
    const forward = jit((images) => model.run({ pixel_values: images }).logits);
    return {
      async run(pixels) {
        const logits = forward(numpy.array(pixels).reshape([batch, 3, size, size]));
        return Float32Array.from(await logits.data());
      },
      dispose: () => model.dispose(),
    };
  });
}
