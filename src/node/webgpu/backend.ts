import { activate, addBackend } from '../../backend.js';
import { runningBackend } from '../../boundBackend.js';
import { isLost } from '../../deviceLost.js';
import { UserError } from '../../errors.js';
import { adapterName, refuseSoftware, startGpu, watchWebgpu } from '../../gpuStart.js';
import { loadTfjsNode } from '../native/tfjsNode.js';
import { requireWebgpuFiles } from './absent.js';
import { adapterChoice, dtypeFrom, type FoundAdapter, findAdapter } from './adapter.js';
import { loadDawn } from './dawn.js';

const NAME = 'webgpu';

/** The adapter of the running device, or of the next. */
let current: FoundAdapter | undefined;

async function createBackend() {
  const { createBackend } = await import('./device.js');
  return createBackend(current!);
}

async function startWebgpu({ auto }: { readonly auto: boolean }): Promise<string> {
  const choice = adapterChoice();
  if (auto) requireWebgpuFiles();
  const dawn = await loadDawn();
  const runs = current && runningBackend(NAME) && !isLost(NAME);
  const found = runs ? current! : await findAdapter(dawn, choice);
  const { info, limits } = found.adapter;
  const gpu = adapterName(info);
  if (auto && choice.device === undefined) {
    refuseSoftware(gpu, info.isFallbackAdapter);
    if (await isCudaHere()) throw new UserError('TensorFlow finds a GPU for CUDA, which comes first');
  }
  const dtype = dtypeFrom();
  if (dtype === 'float16' && !found.adapter.features.has('shader-f16')) {
    throw new UserError(`${gpu} has no float16 (shader-f16), which DEIT_WEBGPU_DTYPE asks for`);
  }
  current = found;
  const { registerFactory } = await import('./device.js');
  registerFactory(NAME, createBackend);
  watchWebgpu(await startGpu(NAME, 'WEBGPU_CPU_FORWARD'));
  const largest = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  return `webgpu: ${gpu}, tensors to ${Math.floor(largest / 2 ** 20)} MiB, ${dtype}`;
}

/** Adds WebGPU by Dawn as the backend `webgpu`; importing this module is enough, and loads nothing of it. */
addBackend(NAME, startWebgpu, {
  runtime: async (model) => {
    const { webgpuRuntime } = await import('../../webgpuRuntime.js');
    const { hasMatrices } = await import('./device.js');
    const dtype = dtypeFrom();
    return webgpuRuntime(model, { dtype, matrices: dtype === 'float16' && hasMatrices(current!.adapter) });
  },
});

/** Whether native TensorFlow, where it is installed for CUDA, has a GPU. */
async function isCudaHere(): Promise<boolean> {
  try {
    const { tfjsNode, cuda } = await loadTfjsNode();
    if (!cuda) return false;
    const { instance } = await activate('tensorflow');
    return (instance as ReturnType<typeof tfjsNode.backend>).isUsingGpuDevice;
  } catch {
    return false;
  }
}
