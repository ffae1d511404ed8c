import { attachRuntime, chooseBackend, engineFor, type StartedBackend } from '../backend.js';
import { currentBackendName, makeCurrent, onBackend } from '../boundBackend.js';
import { checkArguments } from '../checkArguments.js';
import { ModelRefused } from '../errors.js';
import { dequantize } from '../families/vit/quantize.js';
import { weightSpecs } from '../families/vit/weights.js';
import { hasQuantizedBlock } from '../ops/index.js';
import { buildModel, engineModel } from './create.js';
import {
  type Build,
  backendFor,
  checkLoadOptions,
  checkSource,
  type LoadOptions,
  loadSource,
  type ModelSource,
  readySource,
  weightProgress,
} from './loadSource.js';
import type { VisionTransformer } from './visionTransformer.js';
import { checkWasmRoom } from './wasmRoom.js';
import { assignWeights } from './weights.js';

export {
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
  return loadSource(source, options, startingEarly(options));
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
  checkArguments('loadFrom', { source: ['conversion', given] });
  checkLoadOptions(options);
  const backend = backendFor(options);
  const source = await readySource(given, options);
  let { without = [] } = options;
  const why: string[] = [];
  let started = await (starting ?? chooseBackend(backend, options));
  for (;;) {
    const { choice, bound } = started;
    const { passedOver } = choice;
    try {
      const told = { ...choice, passedOver: [...why, ...passedOver] };
      return await buildOn({ choice: told, bound }, source, options);
    } catch (error) {
      if (backend !== 'auto' || !(error instanceof ModelRefused)) throw error;
      without = [...without, choice.backend];
      why.push(`${choice.backend}: ${error.message}`);
      started = await chooseBackend(backend, { ...options, without });
    }
  }
}

async function buildOn(
  { choice, bound }: StartedBackend,
  wanted: ModelSource,
  options: LoadOptions,
): Promise<VisionTransformer> {
  if (currentBackendName() === undefined) makeCurrent(bound);
  const source = onBackend(bound, hasQuantizedBlock) ? wanted : dequantize(wanted);
  if (bound.name === 'wasm') checkWasmRoom(source.config);
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
    await attachRuntime(model, choice.backend, options);
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

/** As loadFrom, on a backend that starts now, while the weights are on their way; that it fails is told by the build. */
export function startingEarly(options: LoadOptions): Build<VisionTransformer> {
  const starting = chooseBackend(backendFor(options), options);
  starting.catch(() => {});
  return (source, rest) => loadFrom(source, rest, starting);
}
