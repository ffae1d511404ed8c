/** onnxruntime-web in Node: WebAssembly. */
import { readFile } from 'node:fs/promises';
import { perBatch } from '../lib/perBatch.mjs';

export const layout = 'planes';

export async function open({ folder, size, threads }) {
  const ort = await import('onnxruntime-web');
  ort.env.wasm.numThreads = threads;
  return perBatch(async (batch) => {
    const session = await ort.InferenceSession.create(
      await readFile(`${folder}/onnx/${batch}/onnx/model.onnx`),
      {
        executionProviders: ['wasm'],
        graphOptimizationLevel: 'all',
      },
    );
    return {
      async run(pixels) {
        const images = new ort.Tensor('float32', pixels, [batch, 3, size, size]);
        return (await session.run({ pixel_values: images })).logits.data;
      },
      dispose: () => session.release(),
    };
  });
}
