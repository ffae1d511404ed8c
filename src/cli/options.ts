/** Options that several commands have. */
import { COMPUTE_DTYPES, type ComputeDtype } from '../computeDtype.js';
import { defaultWorkers } from './workers.js';

export const modelPositional = {
  type: 'string',
  demandOption: true,
  describe: 'converted folder, its URL, or a checkpoint',
} as const;

export const checkpointPositional = {
  type: 'string',
  demandOption: true,
  describe: 'file, Hugging Face or timm folder, hf:OWNER/NAME',
} as const;

/** Where a model may compute: what src/node/backends.ts adds, of which nothing is loaded to read a command line. */
export const BACKENDS = ['auto', 'wasm', 'tensorflow', 'webgpu', 'xla'] as const;

export const backendOption = {
  backend: {
    choices: BACKENDS,
    default: 'auto',
    describe: 'backend to compute on; auto: the best that works',
  },
} as const;

/** Which GPU of several computes, and with how many digits. */
export const gpuOptions = {
  device: {
    type: 'string',
    describe: 'GPU to compute on, of xla or webgpu: part of its name, or its number in `deit devices`',
  },
  dtype: {
    choices: COMPUTE_DTYPES,
    describe: 'precision of matrix products on a GPU: float32, on webgpu float16 too, on xla all of them',
  },
} as const;

/** How a backend is named in results: one that was asked for less than float32 gives other logits. */
export function computedBy(backend: string, dtype: ComputeDtype = 'float32'): string {
  return dtype === 'float32' ? backend : `${backend}-${dtype}`;
}

export const quantizeOption = {
  quantize: { choices: ['int8'], describe: '8-bit weights and activations (wasm)' },
} as const;

export const batchSizeOption = {
  'batch-size': { type: 'number', default: 8, describe: 'images to a batch' },
} as const;

export function workersOption(describe: string) {
  return { workers: { type: 'number', default: defaultWorkers(), describe } } as const;
}

export function jsonOption(describe = 'print one JSON object') {
  return { json: { type: 'boolean', default: false, describe } } as const;
}

/** Threads of one machine, at most: more than any has cores. */
export const MAX_WORKERS = 512;

/** Bounds of --batch-size, for checkNumbers: with larger batches, memory ends before speed grows. */
export const BATCH_NUMBERS = { 'batch-size': [1, 1024] } as const;
