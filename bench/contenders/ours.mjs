/** deit-tfjs on tfjs' backends, as `deit.load` gives it: native TensorFlow, or the plain ops of a backend. */
import { join } from 'node:path';

/** `plain` runs the layers' ops as TensorFlow.js has them, without kernels and graphs of our own. */
export async function open({ folder, size, backend, plain }) {
  const tf = await import('@tensorflow/tfjs-core');
  const model = plain ? await loadPlain(tf, folder, backend) : await load(folder, backend);
  return {
    run(pixels, batch) {
      const x = tf.tensor4d(pixels, [batch, size, size, 3]);
      const logits = tf.tidy(() => model.predict(x));
      const values = logits.dataSync();
      tf.dispose([x, logits]);
      return values;
    },
    dispose: () => model.dispose(),
  };
}

async function load(folder, backend) {
  const deit = await import('../../dist/src/node/index.js');
  return deit.load(join(folder, 'layers'), { backend });
}

async function loadPlain(tf, folder, backend) {
  const { useBackend } = await import('../../dist/src/backend.js');
  const { buildModel } = await import('../../dist/src/models/create.js');
  const { assignWeights } = await import('../../dist/src/models/weights.js');
  const { openModel } = await import('../../dist/src/node/openModel.js');
  if (backend === 'cpu') {
    await import('@tensorflow/tfjs-backend-cpu');
    await tf.setBackend('cpu');
  } else {
    await import('../../dist/src/node/native/backend.js');
    await useBackend(backend);
    const { unregisterWasmKernels } = await import('../../dist/src/kernels/wasm/index.js');
    await unregisterWasmKernels();
  }
  const { source } = await openModel(join(folder, 'layers'));
  const model = buildModel(source.config, { labels: source.labels, preprocessing: source.preprocessing });
  await assignWeights(model.layersModel, source.readWeight);
  return model;
}
