/** @huggingface/transformers on its Node engine, which is onnxruntime-node; from a folder, nothing is downloaded. */
import { perBatch } from '../lib/perBatch.mjs';

export const layout = 'planes';

export async function open({ folder, size, threads }) {
  const { AutoModelForImageClassification, env, Tensor } = await import('@huggingface/transformers');
  env.allowRemoteModels = false;
  env.localModelPath = `${folder}/onnx`;
  return perBatch(async (batch) => {
    const model = await AutoModelForImageClassification.from_pretrained(String(batch), {
      device: 'cpu',
      dtype: 'fp32',
      session_options: { intraOpNumThreads: threads },
    });
    return {
      async run(pixels) {
        const images = new Tensor('float32', pixels, [batch, 3, size, size]);
        return (await model({ pixel_values: images })).logits.data;
      },
      dispose: () => model.dispose(),
    };
  });
}
