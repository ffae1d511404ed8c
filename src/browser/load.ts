import { loadFrom } from '../models/load.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { type BrowserLoadOptions, type BrowserModelSource, loadBrowserSource } from './loadSource.js';

export type { BrowserLoadOptions, BrowserModelSource } from './loadSource.js';

/**
 * Loads a model.
 *
 * @param source `hf:OWNER/NAME[@REVISION]` on the hub, or URL of a converted folder, of its model.json or of a checkpoint file, or the bytes of a checkpoint
 *   (.pth, .safetensors), e.g. a File that was dropped on the page, or the files of a converted folder
 * @throws UserError if it is neither, it cannot be fetched, or the backend cannot be used
 */
export async function load(
  source: BrowserModelSource,
  options: BrowserLoadOptions = {},
): Promise<VisionTransformer> {
  return loadBrowserSource(source, options, loadFrom);
}
