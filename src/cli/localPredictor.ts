import { type BackendChoice, chooseBackend } from '../backend.js';
import type { ComputeDtype } from '../computeDtype.js';
import type { DeviceLost } from '../deviceLost.js';
import type { FamilySource } from '../models/familySource.js';
import type { ImageModel } from '../models/imageModel.js';
import { loadAny } from '../models/loadAny.js';
import { backendFor, type LoadOptions } from '../models/loadSource.js';
import { sayBackend } from './announceBackend.js';
import { say } from './print.js';

/** What computes an evaluation in this process. */
export interface LocalPredictor {
  /** The one that computes now: another after a `recover`. */
  readonly model: ImageModel;
  readonly decodeThreads: number;
  readonly recover?: (loss: DeviceLost) => Promise<ImageModel>;
  dispose(): void;
}

interface BackendArgs {
  backend: string;
  device?: string;
  dtype?: ComputeDtype;
  quantize?: 'int8';
}

interface Args extends BackendArgs {
  workers: number;
  threads?: number;
}

/**
 * Starts the backend that is asked for, so that what is wrong with it is told before a model is downloaded or read.
 *
 * @throws UserError if it cannot be used here
 */
export async function requireBackend({ backend, device, dtype, quantize }: BackendArgs): Promise<void> {
  await chooseBackend(backendFor({ backend, quantize }), { device, dtype });
}

/**
 * The model in this process; on WASM threads of its own compute. Where `auto` chose its backend and the GPU is lost, it is
 * loaded again: on that GPU once, as it may be back, unless its memory was full, and then on the next backend that takes it.
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
  const without: string[] = [];
  const options: LoadOptions = {
    backend: args.backend,
    without,
    quantize,
    device,
    dtype,
    threads,
    onBackend,
  };
  const load = async () => {
    const loaded = await loadAny(source, options);
    backends.add(loaded.backend);
    return loaded;
  };
  let model = await load();
  const again = new Set<string>();
  const recover = async ({ what, outOfMemory }: DeviceLost) => {
    say(`${what}: the model is loaded again`, 'warning');
    if (outOfMemory || again.has(model.backend)) without.push(model.backend);
    again.add(model.backend);
    model.dispose();
    model = await load();
    return model;
  };
  return {
    get model() {
      return model;
    },
    decodeThreads: workers,
    recover: args.backend === 'auto' ? recover : undefined,
    dispose: () => model.dispose(),
  };
}
