import { type AskedBackend, activate, addBackend } from '../../backend.js';
import { runningBackend } from '../../boundBackend.js';
import { isLost } from '../../deviceLost.js';
import { SettingError, UserError } from '../../errors.js';
import { adapterName, refuseSoftware, startGpu, watchWebgpu } from '../../gpuStart.js';
import { loadTfjsNode } from '../native/tfjsNode.js';
import { requireWebgpuFiles } from './absent.js';
import {
  type AdapterChoice,
  adapterChoice,
  adapterNames,
  dtypeFrom,
  type FoundAdapter,
  findAdapter,
  isChosen,
} from './adapter.js';
import { loadDawn } from './dawn.js';

const NAME = 'webgpu';

/** The adapter of the running device, or of the next. */
let current: FoundAdapter | undefined;

async function createBackend() {
  const { createBackend } = await import('./device.js');
  return createBackend(current!);
}

async function startWebgpu(asked: AskedBackend): Promise<string> {
  const choice = adapterChoice(process.env, asked);
  try {
    return await startAdapter(asked, choice);
  } catch (error) {
    if (!choice.bySetting || !(error instanceof UserError)) throw error;
    throw new SettingError(`DEIT_WEBGPU_DEVICE is "${choice.device}": ${error.message}`, { cause: error });
  }
}

async function startAdapter(
  { auto, dtype = dtypeFrom() }: AskedBackend,
  choice: AdapterChoice,
): Promise<string> {
  if (auto) requireWebgpuFiles(choice);
  const dawn = await loadDawn();
  const runs = current && runningBackend(NAME) && !isLost(NAME);
  const found = runs ? current! : await findAdapter(dawn, choice);
  const { info, limits } = found.adapter;
  const gpu = adapterName(info);
  if (runs && !(await isChosen(dawn, choice, found.adapter))) {
    throw new UserError(
      `webgpu runs on ${gpu} in this process, and on one GPU at a time; take another process for device "${choice.device}"`,
    );
  }
  if (auto && choice.device === undefined) {
    refuseSoftware(gpu, info.isFallbackAdapter);
    if (await isCudaHere()) throw new UserError('TensorFlow finds a GPU for CUDA, which comes first');
  }
  if (dtype === 'float16' && !found.adapter.features.has('shader-f16')) {
    throw new UserError(
      `${gpu} has no float16 (shader-f16)${runs ? ', or runs without it: ask for it first' : ''}`,
    );
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
  dtypes: ['float32', 'float16'],
  devices: async () => {
    const choice = adapterChoice();
    requireWebgpuFiles(choice);
    return adapterNames(await loadDawn(), choice.flags);
  },
  runtime: async (model, { dtype = dtypeFrom() }) => {
    const { webgpuRuntime } = await import('../../webgpuRuntime.js');
    const { hasMatrices } = await import('./device.js');
    const half = dtype === 'float16';
    return webgpuRuntime(model, { half, matrices: half && hasMatrices(current!.adapter) });
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
