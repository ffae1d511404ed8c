/** The device that tfjs' WebGPU backend and the engine share, in browsers and in Node. */
import * as tf from '@tensorflow/tfjs-core';
import { MATRIX_MEMORY } from './engines/webgpu/matrixKernel.js';

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

/** A device with all of its adapter's limits, and the features that tfjs and the engine know. */
export function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  return adapter.requestDevice({
    requiredFeatures: FEATURES.filter((name) => adapter.features.has(name)) as GPUFeatureName[],
    requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, adapter.limits[name]])),
  });
}

/** Registers the backend's factory in place of one that tfjs-backend-webgpu registered for a navigator.gpu. */
export function registerFactory(name: string, factory: () => Promise<tf.KernelBackend>): void {
  if (tf.findBackendFactory(name) === factory) return;
  if (tf.findBackendFactory(name)) tf.removeBackend(name);
  tf.registerBackend(name, factory, 0);
}
