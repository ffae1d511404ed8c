import { backendDevices, backendNames, chooseBackend } from '../backend.js';
import './backends.js';
import { UserError } from '../errors.js';

/** What a backend is here. */
export interface BackendInfo {
  readonly backend: string;
  /** Names of the GPUs that load's `device` may ask for, in the order of their numbers. */
  readonly devices: readonly string[];
  /** One line on a backend that lets nobody choose, e.g. `wasm: own kernels, SIMD …`. */
  readonly description?: string;
  /** Why it does not work here. */
  readonly missing?: string;
}

/** The backends in the order in which `auto` tries them. Each is started, or at least loaded, to see what it has. */
export async function listBackends(): Promise<BackendInfo[]> {
  const found: BackendInfo[] = [];
  for (const backend of backendNames().reverse()) found.push(await describe(backend));
  return found;
}

async function describe(backend: string): Promise<BackendInfo> {
  try {
    const devices = await backendDevices(backend);
    if (devices) return { backend, devices };
    return { backend, devices: [], description: (await chooseBackend(backend)).choice.description };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { backend, devices: [], missing: error.message };
  }
}
