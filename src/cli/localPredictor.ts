import { type BackendChoice, chooseBackend } from '../backend.js';
import type { ComputeDtype } from '../computeDtype.js';
import type { DeviceLost } from '../deviceLost.js';
import type { FamilySource } from '../models/familySource.js';
import type { ImageModel } from '../models/imageModel.js';
import { loadAny } from '../models/loadAny.js';
import type { LoadOptions } from '../models/loadSource.js';
import { sayBackend } from './announceBackend.js';
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

/**
 * The model in this process; on WASM threads of its own compute. Where `auto` chose its backend and the GPU is lost, it is
 * loaded again: on that GPU once, as it may be back, unless its memory was full, and then on the next backend.
 *
 * @param backends takes the one that is chosen, and those that take over
 */
export async function localPredictor(
  source: FamilySource,
  backends: Set<string>,
  args: Args,
): Promise<LocalPredictor> {
  const { quantize, device, dtype, workers, threads = Math.max(1, workers) } = args;
  const onBackend = (choice: BackendChoice) => {
    sayBackend(choice);
    if (args.threads !== undefined && choice.backend !== 'wasm')
      say(`${choice.backend} chooses its threads: --threads is for wasm`);
  };
  const options: LoadOptions = { quantize, device, dtype, threads, onBackend };
  const load = async (backend: string) => {
    const loaded = await loadAny(source, { ...options, backend });
    backends.add(loaded.backend);
    return loaded;
  };
  let model = await load(args.backend);
  const again = new Set<string>();
  const without: string[] = [];
  const recover = async ({ what, outOfMemory }: DeviceLost) => {
    say(`${what}: the model is loaded again`, 'warning');
    if (outOfMemory || again.has(model.backend)) without.push(model.backend);
    again.add(model.backend);
    model.dispose();
    const { choice } = await chooseBackend('auto', {
      device,
      dtype,
      layers: source.family !== 'vit',
      without,
    });
    model = await load(choice.backend);
    return model;
  };
  return {
    model,
    decodeThreads: workers,
    recover: args.backend === 'auto' ? recover : undefined,
    dispose: () => model.dispose(),
  };
}
