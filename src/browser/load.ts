import { type LoadOptions, load as loadIsomorphic } from '../models/load.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { cachedFetch } from './cache.js';

export interface BrowserLoadOptions extends LoadOptions {
  /** Keep downloads for the next visit (see cache.ts): true, by default, or the most bytes to keep, or false. */
  cache?: boolean | number;
}

/** What load takes in a browser: an address, or the bytes of a checkpoint, e.g. a dropped File. */
export type BrowserModelSource = string | URL | Uint8Array | ArrayBuffer | Blob;

/**
 * Loads a model.
 *
 * @param source URL of a converted folder, of its model.json or of a checkpoint file, or the bytes of a checkpoint
 *   (.pth, .safetensors), e.g. a File that was dropped on the page
 * @throws UserError if it is neither, it cannot be fetched, or the backend cannot be used
 */
export function load(
  source: BrowserModelSource,
  { cache = true, ...options }: BrowserLoadOptions = {},
): Promise<VisionTransformer> {
  if (options.fetchFile || cache === false) return loadIsomorphic(source, options);
  return loadIsomorphic(source, { ...options, fetchFile: cachedFetch(cache === true ? undefined : cache) });
}
