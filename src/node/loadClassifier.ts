import { SettingError } from '../errors.js';
import { probeSimd } from '../kernels/wasm/featureProbe.js';
import type { ImageClassifier } from '../models/imageClassifier.js';
import { backendFor } from '../models/loadSource.js';
import { load as loadOnWasm } from './loadOnWasm.js';
import type { NodeLoadOptions } from './loadSource.js';
import { installedPackages } from './native/packages.js';
import { requireXlaFiles } from './pjrt/plugin.js';
import { requireWebgpuFiles } from './webgpu/absent.js';

/** A model that classifies and embeds, on whatever backend. */
export type LoadedClassifier = ImageClassifier & { dispose(): void };

/**
 * As load(), for who needs no tensors: tfjs, most of a short program's start, is loaded only where another backend than
 * WASM was asked for, or may be there for `auto` to take.
 */
export async function loadClassifier(source: string, options: NodeLoadOptions): Promise<LoadedClassifier> {
  const backend = backendFor(options);
  const { device, dtype = 'float32' } = options;
  const mayBeWasm = device === undefined && dtype === 'float32' && ['wasm', 'auto'].includes(backend);
  const alone = mayBeWasm && (backend === 'wasm' || !(await mayHaveOthers()));
  if (alone && probeSimd() !== 'none') return loadOnWasm(source, options);
  const { load } = await import('./load.js');
  return load(source, options);
}

/** Whether a backend that `auto` prefers to WASM may work, as far as files tell. */
async function mayHaveOthers(): Promise<boolean> {
  if ((await installedPackages()).length > 0) return true;
  return [requireWebgpuFiles, requireXlaFiles].some(passes);
}

function passes(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch (error) {
    return error instanceof SettingError; // told by who starts the backend
  }
}
