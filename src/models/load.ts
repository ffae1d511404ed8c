import { attachRuntime, chooseBackend, engineFor, type StartedBackend } from '../backend.js';
import { currentBackendName, makeCurrent, onBackend } from '../boundBackend.js';
import { UserError } from '../errors.js';
import type { VitConfig } from '../families/vit/config.js';
import { countParameters } from '../families/vit/flops.js';
import { dequantize } from '../families/vit/quantize.js';
import { weightSpecs } from '../families/vit/weights.js';
import { hasQuantizedBlock } from '../ops/index.js';
import { buildModel, engineModel } from './create.js';
import {
  checkLoadOptions,
  checkSource,
  type LoadOptions,
  loadSource,
  type ModelSource,
  readySource,
  weightProgress,
} from './loadSource.js';
import type { VisionTransformer } from './visionTransformer.js';
import { assignWeights } from './weights.js';

export {
  checkLoadOptions,
  conversionOptions,
  type LoadOptions,
  type LoadProgress,
  type ModelSource,
  type OpenUrlOptions,
  openUrl,
} from './loadSource.js';

/**
 * Loads a model.
 *
 * @param source URL of a converted folder, of its model.json or of a checkpoint file, or the bytes of a checkpoint
 *   (.pth, .safetensors). deit-tfjs/node takes paths of either too.
 * @throws UserError if it is neither, or the backend cannot be used
 */
export async function load(
  source: string | URL | Uint8Array | ArrayBuffer | Blob,
  options: LoadOptions = {},
): Promise<VisionTransformer> {
  checkLoadOptions(options);
  if (typeof source !== 'string' && !(source instanceof URL)) checkSource(source);
  const starting = startBackendEarly(options);
  return loadSource(source, options, (opened, rest) => loadFrom(opened, rest, starting));
}

/**
 * Builds a model on a backend and fills in its weights.
 *
 * @param starting that backend, where it was begun while the weights came
 */
export async function loadFrom(
  given: ModelSource,
  options: LoadOptions = {},
  starting?: Promise<StartedBackend>,
): Promise<VisionTransformer> {
  const backend = backendFor(options);
  const wanted = await readySource(given, options);
  const { choice, bound } = await (starting ?? chooseBackend(backend));
  if (currentBackendName() === undefined) makeCurrent(bound);
  const source = onBackend(bound, hasQuantizedBlock) ? wanted : dequantize(wanted);
  checkRoom(source.config, bound.name);
  const { labels, preprocessing, assumptions } = source;
  const extras = { labels, preprocessing, assumptions };
  const onFraction = weightProgress(source, options);
  const engine = engineFor(choice.backend, source.config);
  if (engine) {
    const { config, readWeight } = source;
    const { threads, signal } = options;
    const runtime = await engine({ config, readWeight, threads, signal, onProgress: onFraction });
    options.onBackend?.({ ...choice, description: `${choice.backend}: ${runtime.description}` });
    return onBackend(bound, () => engineModel(config, extras, runtime, choice.backend));
  }
  options.onBackend?.(choice);
  const model = onBackend(bound, () => buildModel(source.config, extras));
  try {
    const order = weightSpecs(source.config).map(({ name }) => name);
    await model.onBackend(() => assignWeights(model.layersModel, source.readWeight, onFraction, order));
    await attachRuntime(model, choice.backend);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

/** Starts the backend while the weights are on their way; that it fails is told by loadFrom. */
function startBackendEarly(options: LoadOptions): Promise<StartedBackend> {
  const starting = chooseBackend(backendFor(options));
  starting.catch(() => {});
  return starting;
}

/** Addresses of WASM reach this far, and it overwrites itself where there is no more room. */
const WASM_BYTES = 2 ** 32 - 2 ** 28;

function checkRoom(config: VitConfig, backend: string): void {
  const bytes = 4 * countParameters(config);
  if (backend !== 'wasm' || bytes <= WASM_BYTES) return;
  throw new UserError(
    `${config.name}: its weights take ${(bytes / 2 ** 30).toFixed(1)} GiB, and WASM has less than 4; load it on another backend`,
  );
}

/**
 * The backend to use: what was asked for, `wasm` for quantized arithmetic.
 *
 * @throws UserError if another one was named with `quantize`
 */
export function backendFor({
  backend = 'auto',
  quantize,
}: Pick<LoadOptions, 'backend' | 'quantize'>): string {
  if (quantize === undefined) return backend;
  if (quantize !== 'int8') throw new UserError(`models are quantized to int8, not to "${quantize}"`);
  if (backend !== 'auto' && backend !== 'wasm') {
    throw new UserError(`int8 runs on the wasm backend alone, not on ${backend}; leave out one of the two`);
  }
  return 'wasm';
}
