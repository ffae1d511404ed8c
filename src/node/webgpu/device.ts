import { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import { MATRIX_MEMORY } from '../../engines/webgpu/matrixKernel.js';
import { UserError } from '../../errors.js';
import { registerWebgpuKernels } from '../../kernels/webgpu/index.js';
import type { FoundAdapter } from './adapter.js';

const MATRICES = 'chromium-experimental-subgroup-matrix';

/** What WebGPU's types do not have yet. */
interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

type MatrixInfo = GPUAdapterInfo & { readonly subgroupMatrixConfigs?: Iterable<MatrixConfig> };

/** tfjs' limits (base.ts of tfjs-backend-webgpu): a device has the least that WebGPU allows unless more is asked for. */
const LIMITS = [
  'maxComputeWorkgroupStorageSize',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxComputeWorkgroupSizeX',
  'maxComputeInvocationsPerWorkgroup',
] as const;

/** What is asked for where there is it: tfjs' profiler, and what the engine computes float16 with. */
const FEATURES = ['timestamp-query', 'shader-f16', 'subgroups', MATRICES];

/** Whether an adapter multiplies matrices of float16 as the engine has them: 16 × 16 × 16 in subgroups of 32. */
export function hasMatrices({ features, info, limits }: GPUAdapter): boolean {
  const { subgroupMinSize, subgroupMaxSize, subgroupMatrixConfigs } = info as MatrixInfo;
  const fits = ({ componentType, resultComponentType, M, N, K }: MatrixConfig) =>
    componentType === 'f16' && resultComponentType === 'f32' && [M, N, K].every((side) => side === 16);
  return (
    features.has(MATRICES) &&
    limits.maxComputeWorkgroupStorageSize >= MATRIX_MEMORY &&
    subgroupMinSize === 32 &&
    subgroupMaxSize === 32 &&
    [...(subgroupMatrixConfigs ?? [])].some(fits)
  );
}

/** A WebGPU backend of TensorFlow.js with our kernels, on a device of the adapter. */
export async function createBackend({ gpu, adapter }: FoundAdapter): Promise<WebGPUBackend> {
  const device = await adapter.requestDevice({
    requiredFeatures: FEATURES.filter((name) => adapter.features.has(name)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
  registerWebgpuKernels();
  return readByDataAlone(withNavigatorGpu(gpu, () => new WebGPUBackend(device, adapter.info)));
}

/** tfjs makes its backend only where navigator.gpu is, which other libraries would take for a browser's. */
function withNavigatorGpu<T>(gpu: GPU, make: () => T): T {
  const { navigator } = globalThis as { navigator?: object };
  const target = navigator ?? {};
  const before = Object.getOwnPropertyDescriptor(target, 'gpu');
  Object.defineProperty(target, 'gpu', { value: gpu, configurable: true });
  if (!navigator) Object.defineProperty(globalThis, 'navigator', { value: target, configurable: true });
  try {
    return make();
  } finally {
    delete (target as { gpu?: GPU }).gpu;
    if (before) Object.defineProperty(target, 'gpu', before);
    if (!navigator) delete (globalThis as { navigator?: object }).navigator;
  }
}

/** tfjs reads a tensor synchronously through a canvas, which Node has not: that is said in a line. */
function readByDataAlone(backend: WebGPUBackend): WebGPUBackend {
  const readSync = backend.readSync.bind(backend);
  (backend as unknown as { hasReadSyncWarned: boolean }).hasReadSyncWarned = true;
  backend.readSync = (dataId) => {
    try {
      return readSync(dataId);
    } catch (error) {
      if (!(error instanceof ReferenceError)) throw error;
      throw new UserError(
        'the values of a tensor on the webgpu backend come by await tensor.data() in Node: it has no dataSync(), nor can a model on another backend take the tensor',
        { cause: error },
      );
    }
  };
  return backend;
}

/** Registers the backend's factory in place of one that tfjs-backend-webgpu registered for a navigator.gpu. */
export function registerFactory(name: string, factory: () => Promise<tf.KernelBackend>): void {
  if (tf.findBackendFactory(name) === factory) return;
  if (tf.findBackendFactory(name)) tf.removeBackend(name);
  tf.registerBackend(name, factory, 0);
}
