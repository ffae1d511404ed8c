/** deit-tfjs, as `deit.load` gives it: WASM (float32 or int8), native TensorFlow, or the plain ops of a backend. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

/**
 * @param options {folder, size, threads, backend, simd, quantize, plain}: `plain` runs the layers' ops as TensorFlow.js
 *   has them, without kernels and graphs of our own; `simd` is the most that our kernels may use
 */
export async function open(options) {
  return options.backend === 'wasm' && options.threads > 1 ? openThreads(options) : openHere(options);
}

/** A model in this thread. */
export async function openHere({ folder, size, backend, simd, quantize, plain }) {
  const tf = await import('@tensorflow/tfjs-core');
  const model = plain ? await loadPlain(tf, folder, backend) : await load(folder, backend, simd, quantize);
  return {
    run(pictures, batch) {
      const x = tf.tensor4d(pictures, [batch, size, size, 3]);
      const logits = tf.tidy(() => model.predict(x));
      const values = logits.dataSync();
      tf.dispose([x, logits]);
      return values;
    },
    dispose: () => model.dispose(),
  };
}

async function load(folder, backend, simd, quantize) {
  const deit = await import('../../dist/src/node/index.js');
  if (simd) {
    const { useBackend } = await import('../../dist/src/backend.js');
    const kernels = await import('../../dist/src/kernels/wasm/index.js');
    await useBackend('wasm');
    await kernels.unregisterWasmKernels();
    await kernels.registerWasmKernels({ simd });
  }
  return deit.load(join(folder, 'layers'), { backend, quantize });
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

/** A model in each of several threads, among which a batch is divided, as `deit eval` divides pictures. */
async function openThreads(options) {
  const url = new URL('./oursThread.mjs', import.meta.url);
  const workers = Array.from({ length: options.threads }, () => new Worker(url, { workerData: options }));
  const answer = (worker) =>
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await Promise.all(workers.map(answer));
  return {
    async run(pictures, batch) {
      const share = Math.ceil(batch / workers.length);
      const pixels = pictures.length / batch;
      const parts = [];
      for (let start = 0, i = 0; start < batch; start += share, i++) {
        const count = Math.min(share, batch - start);
        const part = answer(workers[i]);
        workers[i].postMessage({
          pictures: pictures.slice(start * pixels, (start + count) * pixels),
          batch: count,
        });
        parts.push(part);
      }
      return Float32Array.from((await Promise.all(parts)).flatMap((values) => [...values]));
    },
    dispose: () => Promise.all(workers.map((worker) => worker.terminate())),
  };
}
