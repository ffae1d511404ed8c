/** load() in Node, with Node's backends, images and files behind it; importing this module sets them up. */
import { fileURLToPath } from 'node:url';
import { setFileSaver } from '../models/boundLayers.js';
import { addImageDecoder, setImagePreparer } from '../models/classify.js';
import {
  checkLoadOptions,
  conversionOptions,
  type LoadOptions,
  loadFrom,
  load as loadIsomorphic,
} from '../models/load.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { isOnHub } from './hub/environment.js';
import { decodeNodeImage, NODE_KINDS } from './imageInputs.js';
import './backends.js';
import { type HubSettings, openModel } from './openModel.js';
import { prepareImage } from './prepareImage.js';
import { fileHandler } from './saveLayersModel.js';

addImageDecoder(decodeNodeImage, NODE_KINDS);
setImagePreparer(prepareImage);
setFileSaver(fileHandler);

/** What load takes in Node. */
export interface NodeLoadOptions extends LoadOptions {
  /** Of a name on the hub: token, revision, endpoint, offline, cache, and the progress of its downloads; see openHub. */
  hub?: Omit<HubSettings, 'signal'>;
}

/**
 * Loads a model: a converted folder, a checkpoint file (.pth, .safetensors), a folder of Hugging Face or timm, an http(s)
 * URL of a converted folder or a checkpoint, a name on the hub (`hf:OWNER/NAME[@REVISION]`), or the bytes of a checkpoint.
 *
 * @throws UserError if it is none of these, or the backend cannot be used
 */
export async function load(
  source: string | URL | Uint8Array | ArrayBuffer | Blob,
  given: NodeLoadOptions = {},
): Promise<VisionTransformer> {
  checkLoadOptions(given, { hub: 'object' });
  const { hub, ...options } = given;
  if (typeof source !== 'string' && !(source instanceof URL)) return loadIsomorphic(source, options);
  const address = String(source);
  if (/^(https?:\/\/|blob:|data:)/i.test(address) && !isOnHub(address)) {
    return loadIsomorphic(address, options);
  }
  const path = /^file:/i.test(address) ? fileURLToPath(address) : address;
  const { signal } = options;
  const opened = await openModel(path, conversionOptions(options), { ...hub, ...(signal && { signal }) });
  try {
    return await loadFrom(opened.source, options);
  } finally {
    await opened.close();
  }
}
