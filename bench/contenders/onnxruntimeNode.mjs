/** onnxruntime-node on the CPU. */
import { perBatch } from '../lib/perBatch.mjs';

export const layout = 'planes';

export async function open({ folder, size, threads }) {
  const ort = await import('onnxruntime-node');
  return perBatch(async (batch) => {
    const session = await ort.InferenceSession.create(`${folder}/onnx/${batch}/onnx/model.onnx`, {
      intraOpNumThreads: threads,
    });
    return {
      async run(pixels) {
        const images = new ort.Tensor('float32', pixels, [batch, 3, size, size]);
        return (await session.run({ pixel_values: images })).logits.data;
      },
      dispose: () => session.release(),
    };
  });
}
