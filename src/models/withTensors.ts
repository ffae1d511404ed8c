import { chooseBackend } from '../backend.js';
import { currentBackendName, makeCurrent, onBackend } from '../boundBackend.js';
import { checkArguments } from '../checkArguments.js';
import { engineModel } from './create.js';
import type { VisionTransformer } from './visionTransformer.js';
import type { WasmModel } from './wasmModel.js';
import { runtimeOf } from './wasmRuntime.js';

/**
 * A model of deit-tfjs/wasm with all that needs tensors: predict, features, layersModel. Both compute on one engine, which
 * ends with the first of the two that is disposed of; the layers get a copy of the weights once they are asked for.
 *
 * @throws UserError if tfjs' WASM backend does not start, or the model was disposed of
 */
export async function withTensors(model: WasmModel): Promise<VisionTransformer> {
  checkArguments('withTensors', { model: ['wasmModel', model] });
  const { bound } = await chooseBackend('wasm');
  if (currentBackendName() === undefined) makeCurrent(bound);
  const { config, labels, preprocessing, assumptions } = model;
  const extras = { labels, preprocessing, assumptions };
  return onBackend(bound, () => engineModel(config, extras, runtimeOf(model.engine), 'wasm'));
}
