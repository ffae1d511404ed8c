import type { BackendOptions } from '../backend.js';
import type { ComputeDtype } from '../computeDtype.js';
import type { DeviceLost } from '../deviceLost.js';
import type { FamilySource } from '../models/familySource.js';
import type { ImageModel } from '../models/imageModel.js';
import { loadAny } from '../models/loadAny.js';
import type { LoadOptions } from '../models/loadSource.js';
import { firstBackend, sayBackend } from './announceBackend.js';
import { say } from './print.js';

/** What computes an evaluation in this process. */
export interface LocalPredictor {
  readonly model: ImageModel;
  readonly decodeThreads: number;
  readonly recover?: (loss: DeviceLost) => Promise<ImageModel>;
  dispose(): void;
}

interface Args {
  workers: number;
  threads?: number;
  backend: string;
  device?: string;
  dtype?: ComputeDtype;
  quantize?: 'int8';
}

/** What a backend must be able to do for a model. */
export function askedOf(
  { family }: FamilySource,
  { device, dtype }: Pick<Args, 'device' | 'dtype'>,
): BackendOptions {
  return { device, dtype, layers: family !== 'vit' };
}

/**
 * The model in this process; on WASM threads of its own compute. Where `auto` chose its backend and the GPU is lost, it is
 * loaded again: on that GPU once, as it may be back, unless its memory was full, and then on the next backend.
 *
 * @param backends the one that was chosen; those that take over are added
 */
export async function localPredictor(
  source: FamilySource,
  backends: Set<string>,
  args: Args,
): Promise<LocalPredictor> {
  const { quantize, device, dtype, workers, threads = Math.max(1, workers) } = args;
  const [first] = backends;
  if (args.threads !== undefined && first !== 'wasm')
    say(`${first} chooses its threads: --threads is for wasm`);
  const options: LoadOptions = { quantize, device, dtype, threads, onBackend: sayBackend };
  let model = await loadAny(source, { ...options, backend: first });
  const again = new Set<string>();
  const without: string[] = [];
  const recover = async ({ what, outOfMemory }: DeviceLost) => {
    say(`${what}: the model is loaded again`, 'warning');
    if (outOfMemory || again.has(model.backend)) without.push(model.backend);
    again.add(model.backend);
    model.dispose();
    const { backend } = await firstBackend('auto', { ...askedOf(source, args), without });
    backends.add(backend);
    model = await loadAny(source, { ...options, backend });
    return model;
  };
  return {
    model,
    decodeThreads: workers,
    recover: args.backend === 'auto' ? recover : undefined,
    dispose: () => model.dispose(),
  };
}
