/** The GPU backends of browsers, each fetched when it is first tried. WebGPU comes before WebGL, both before WASM. */
import * as tf from '@tensorflow/tfjs-core';
import { type AskedBackend, activateWasm, addBackend } from '../backend.js';
import { runningBackend } from '../boundBackend.js';
import { UserError } from '../errors.js';
import { adapterName, refuseSoftware, startGpu, watchOnce, watchWebgpu } from '../gpuStart.js';
import { fetchKernels, probeSimd } from '../kernels/wasm/index.js';
import { wasmRuntime } from '../models/wasmRuntime.js';
import { browserHost } from './engineHost.js';
import { reasonWithoutThreads } from './wasmBackend.js';

const engine = wasmRuntime(browserHost);

export function addBrowserBackends(): void {
  // In the place of the one that is there. Without SIMD the layers compute.
  addBackend('wasm', startWasm, { engine: () => (probeSimd() === 'none' ? undefined : engine) });
  addBackend('webgl', startWebgl);
  addBackend('webgpu', startWebgpu, {
    dtypes: ['float32', 'float16'],
    runtime: async (model, { dtype }) => {
      const { webgpuRuntime } = await import('./webgpu.js');
      return webgpuRuntime(model, { half: dtype === 'float16' });
    },
  });
}

async function startWasm(): Promise<string> {
  browserHost().catch(() => {}); // the engine's kernels are compiled meanwhile; what fails is told when it is asked for
  const simd = probeSimd();
  if (simd !== 'none') fetchKernels(simd, false).catch(() => {}); // told where they are compiled
  const description = await activateWasm();
  const reason = reasonWithoutThreads();
  return reason ? `${description}; ${reason}` : description;
}

async function startWebgpu({ auto, dtype }: AskedBackend): Promise<string> {
  if (!navigator.gpu) throw new UserError('this browser has no WebGPU, or the page is not served over https');
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new UserError('WebGPU finds no GPU');
  const gpu = adapterName(adapter.info);
  if (auto) refuseSoftware(gpu, adapter.info.isFallbackAdapter);
  const { registerBackend } = await import('./webgpu.js');
  // One that the page's own code has started stays as it is.
  if (!runningBackend('webgpu')) registerBackend('webgpu');
  const started = await startGpu('webgpu', 'WEBGPU_CPU_FORWARD');
  watchWebgpu(started);
  const { device } = started.instance as tf.KernelBackend & { device: GPUDevice };
  if (dtype === 'float16' && !device.features.has('shader-f16')) {
    throw new UserError(`${gpu} has no float16 (shader-f16), or its backend was started without it`);
  }
  return `webgpu: ${gpu}${dtype === 'float16' ? ', float16' : ''}`;
}

async function startWebgl({ auto }: { auto: boolean }): Promise<string> {
  const gpu = webglRenderer();
  if (auto) refuseSoftware(gpu);
  await import('./webgl.js');
  const started = await startGpu('webgl', 'WEBGL_CPU_FORWARD');
  watchOnce(started, (lose) => {
    const { gl } = (started.instance as tf.KernelBackend & { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu;
    gl.canvas.addEventListener('webglcontextlost', () => lose('its WebGL context was lost'));
  });
  const bits = tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED') ? 32 : 16;
  return `webgl: ${gpu}, ${bits}-bit floats`;
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
