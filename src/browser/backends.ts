/** The GPU backends of browsers, each fetched when it is first tried. WebGPU comes before WebGL, both before WASM. */
import * as tf from '@tensorflow/tfjs-core';
import { activate, activateWasm, addBackend } from '../backend.js';
import { isLost, watchBackend, withTimeout } from '../backendLoss.js';
import { type BoundBackend, onBackend } from '../boundBackend.js';
import { UserError } from '../errors.js';
import { reasonWithoutThreads } from './wasmBackend.js';

/** A GPU that does not finish a small product in this time, shader compilation included, is of no use. */
const PROBE_TIMEOUT_MS = 15_000;

/** Renderers that run on the CPU: Chromium's, Mesa's, Windows'. They are slower there than WASM. */
const SOFTWARE = /swiftshader|llvmpipe|softpipe|lavapipe|software|basic render/i;

export function addBrowserBackends(): void {
  addBackend('wasm', startWasm); // in the place of the one that is there
  addBackend('webgl', startWebgl);
  addBackend('webgpu', startWebgpu);
}

async function startWasm(): Promise<string> {
  const description = await activateWasm();
  const reason = reasonWithoutThreads();
  return reason ? `${description}; ${reason}` : description;
}

async function startWebgpu({ auto }: { auto: boolean }): Promise<string> {
  if (!navigator.gpu) throw new UserError('this browser has no WebGPU, or the page is not served over https');
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new UserError('WebGPU finds no GPU');
  const { vendor, architecture, description } = adapter.info;
  const gpu = description || [vendor, architecture].filter(Boolean).join(' ') || 'a GPU without a name';
  if (auto) refuseSoftware(gpu, adapter.info.isFallbackAdapter);
  await import('./webgpu.js');
  const started = await start('webgpu', 'WEBGPU_CPU_FORWARD');
  watchOnce(started, (lose) => {
    const { device } = started.instance as tf.KernelBackend & { device: GPUDevice };
    void device.lost.then(({ message, reason }) => lose(message || reason));
  });
  return `webgpu: ${gpu}`;
}

async function startWebgl({ auto }: { auto: boolean }): Promise<string> {
  const gpu = webglRenderer();
  if (auto) refuseSoftware(gpu);
  await import('./webgl.js');
  const started = await start('webgl', 'WEBGL_CPU_FORWARD');
  watchOnce(started, (lose) => {
    const { gl } = (started.instance as tf.KernelBackend & { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu;
    gl.canvas.addEventListener('webglcontextlost', () => lose('its WebGL context was lost'));
  });
  const bits = tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED') ? 32 : 16;
  return `webgl: ${gpu}, ${bits}-bit floats`;
}

const watched = new WeakSet<tf.KernelBackend>();

/** Has the device of a backend watched for its loss, if it is not already. */
function watchOnce({ name, instance }: BoundBackend, listen: (lose: (reason: string) => void) => void): void {
  if (watched.has(instance)) return;
  watched.add(instance);
  listen(watchBackend(name));
}

/** The renderer's name; throws where there is no WebGL. */
function webglRenderer(): string {
  const gl = new OffscreenCanvas(1, 1).getContext('webgl2');
  if (!gl) throw new UserError('this browser has no WebGL 2, or the GPU is blocked');
  const details = gl.getExtension('WEBGL_debug_renderer_info');
  const name = String(gl.getParameter(details ? details.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  gl.getExtension('WEBGL_lose_context')?.loseContext(); // a page has a few contexts only
  return name;
}

function refuseSoftware(gpu: string, isFallback = false): void {
  if (isFallback || SOFTWARE.test(gpu)) {
    throw new UserError(`only software rendering here (${gpu}), which is slower than WASM`);
  }
}

/** Starts a backend and has it multiply two matrices; a lost one is made anew first. */
async function start(name: string, cpuForwardFlag: string): Promise<BoundBackend> {
  if (isLost(name)) makeAnew(name);
  tf.env().set(cpuForwardFlag, false);
  const probe = async () => {
    const started = await activate(name);
    await checkProduct(started);
    return started;
  };
  const late = () => new UserError(`no answer from the GPU within ${PROBE_TIMEOUT_MS / 1000} s`);
  try {
    return await withTimeout(probe(), PROBE_TIMEOUT_MS, late);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`the ${name} backend does not work here: ${(error as Error).message}`, {
      cause: error,
    });
  }
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
        if (found[row * n + column] !== sum) throw new UserError('the GPU multiplies matrices wrongly');
      }
    }
  } finally {
    product.dispose();
  }
}
