/** How a GPU backend starts, in browsers and in Node: what runs on the CPU is refused, the rest must compute rightly. */
import * as tf from '@tensorflow/tfjs-core';
import { activate } from './backend.js';
import { type BoundBackend, onBackend } from './boundBackend.js';
import { isLost, watchBackend } from './deviceLost.js';
import { UserError } from './errors.js';
import { withTimeLimit } from './timeLimit.js';

/** A GPU that does not finish a small product in this time, shader compilation included, is passed over. */
const PROBE_TIMEOUT_MS = 15_000;

/** Renderers that run on the CPU: Chromium's, Mesa's, Windows'. They are slower there than WASM. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|lavapipe|software|basic render/i;

/** Throws a UserError if a GPU of this name is the CPU. */
export function refuseSoftware(gpu: string, isFallback = false): void {
  if (isFallback || SOFTWARE.test(gpu)) {
    throw new UserError(`only software rendering here (${gpu}), which is slower than WASM`);
  }
}

/** A WebGPU adapter's name and its driver's, as far as they are told: browsers say less than Node. */
export function adapterName({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const name = device?.replace(/-+$/, '') || (description ? '' : `${vendor} ${architecture}`.trim());
  if (name === '') return description || 'a GPU without a name';
  return description ? `${name}, ${description}` : name;
}

/** Starts a backend, making a lost one again, and has it multiply two matrices. */
export async function startGpu(name: string, cpuForwardFlag: string): Promise<BoundBackend> {
  if (isLost(name)) makeAnew(name);
  tf.env().set(cpuForwardFlag, false);
  const probe = async () => {
    const started = await activate(name);
    await checkProduct(started);
    return started;
  };
  const late = (): never => {
    throw new UserError(
      `the ${name} backend does not work here: no answer from the GPU within ${PROBE_TIMEOUT_MS / 1000} s`,
    );
  };
  try {
    return await withTimeLimit(probe(), PROBE_TIMEOUT_MS, late);
  } catch (error) {
    if (error instanceof UserError) throw error;
    // What a lost device breaks off says nothing.
    const { message } = error as Error;
    throw new UserError(
      `the ${name} backend does not work here: ${message || 'its GPU went away while it was tried'}`,
      { cause: error },
    );
  }
}

const watched = new WeakSet<tf.KernelBackend>();

/** Has the device of a backend watched for its loss, if it is not already. */
export function watchOnce(
  { name, instance }: BoundBackend,
  listen: (lose: (reason: string) => void) => void,
): void {
  if (watched.has(instance)) return;
  watched.add(instance);
  listen(watchBackend(name));
}

/**
 * Watches the device of a WebGPU backend. An operation that WebGPU refuses (memory that is not there, a buffer above the
 * device's limits) leaves zeros, and tfjs takes no notice: what comes after it is as lost as on a device that is gone.
 */
export function watchWebgpu(backend: BoundBackend): void {
  watchOnce(backend, (lose) => {
    const { device } = backend.instance as tf.KernelBackend & { device: GPUDevice };
    let refused = false;
    void device.lost.then(({ message, reason }) => lose(message || reason));
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault(); // it is reported by the next call on the backend
      if (refused) return; // the first names the cause, those behind it what comes of that
      refused = true;
      const { error } = event as GPUUncapturedErrorEvent;
      const [line = ''] = error.message.split('\n');
      lose(error.constructor.name === 'GPUOutOfMemoryError' ? `out of memory: ${line}` : line);
    });
  });
}

/** tfjs keeps one instance of a backend for good unless it is taken out and registered again. */
function makeAnew(name: string): void {
  const factory = tf.findBackendFactory(name);
  tf.removeBackend(name);
  tf.registerBackend(name, factory);
}

/** Multiplies matrices of small whole numbers, whose product is exact in any float format. */
async function checkProduct(backend: BoundBackend): Promise<void> {
  const [m, k, n] = [8, 16, 8];
  const left = Array.from({ length: m * k }, (_, i) => (i % 5) - 2);
  const right = Array.from({ length: k * n }, (_, i) => (i % 3) - 1);
  const product = onBackend(backend, () =>
    tf.tidy(() => tf.matMul(tf.tensor2d(left, [m, k]), tf.tensor2d(right, [k, n]))),
  );
  try {
    const found = await product.data();
    for (let row = 0; row < m; row++) {
      for (let column = 0; column < n; column++) {
        let sum = 0;
        for (let i = 0; i < k; i++) sum += left[row * k + i]! * right[i * n + column]!;
        if (found[row * n + column] !== sum) {
          throw new UserError(
            `the ${backend.name} backend does not work here: its GPU multiplies matrices wrongly; update its driver, or take another backend`,
          );
        }
      }
    }
  } finally {
    product.dispose();
  }
}
