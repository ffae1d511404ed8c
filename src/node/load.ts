/** load() in Node, with Node's backends, images and files behind it; importing this module sets them up. */
import { chooseBackend } from '../backend.js';
import { setFileSaver } from '../models/boundLayers.js';
import { loadFrom, startingEarly } from '../models/load.js';
import { backendFor, checkLoadOptions } from '../models/loadSource.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import './backends.js';
import { isOnHub } from './hub/environment.js';
import './imageSetup.js';
import { isNearby, loadNodeSource, type NodeLoadOptions, type NodeModelSource } from './loadSource.js';
import { fileHandler } from './saveLayersModel.js';

export type { NodeLoadOptions, NodeModelSource } from './loadSource.js';

setFileSaver(fileHandler);

/**
 * Loads a model: a converted folder, a checkpoint file (.pth, .safetensors), a folder of Hugging Face or timm, an http(s)
 * URL of a converted folder or a checkpoint, a name on the hub (`hf:OWNER/NAME[@REVISION]`), or the bytes of a checkpoint.
 *
 * @throws UserError if it is none of these, or the backend cannot be used
 */
export async function load(
  source: NodeModelSource,
  options: NodeLoadOptions = {},
): Promise<VisionTransformer> {
  checkLoadOptions(options, { hub: 'object' }); // before a backend is begun
  // Told before a download of minutes.
  if (isNearby(source) && isOnHub(String(source))) await chooseBackend(backendFor(options), options);
  return loadNodeSource(source, options, isNearby(source) ? loadFrom : startingEarly(options));
}
