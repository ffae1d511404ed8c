/** Options that several commands have. */
import { defaultWorkers } from './workers.js';

export const modelPositional = {
  type: 'string',
  demandOption: true,
  describe: 'converted folder, its URL, or a checkpoint',
} as const;

/** Where a model computes. */
export const backendOption = {
  backend: { type: 'string', default: 'auto', describe: 'backend: auto, wasm, tensorflow …' },
} as const;

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
