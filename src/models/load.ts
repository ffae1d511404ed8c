import { type Conversion, type ConvertOptions, convert } from '../../converters/convert.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { type BackendChoice, useBackend } from '../backend.js';
import { UserError } from '../errors.js';
import { buildModel } from './create.js';
import { openSavedModel, type SavedModel } from './savedModel.js';
import type { VisionTransformer } from './visionTransformer.js';
import { assignWeights } from './weights.js';

export interface LoadOptions {
  /** `auto` (by default), or a name of backendNames(), which is then used or is an error. */
  backend?: string;
  /** Called with the fraction of the weights that is loaded, 0…1. */
  onProgress?: (fraction: number) => void;
  /** Aborts the load. */
  signal?: AbortSignal;
  /** Called once with what runs the model and why. */
  onBackend?: (choice: BackendChoice) => void;
  /** For a checkpoint: how it is converted (see convert). */
  convert?: ConvertOptions;
}

/** What a model can be built from: a converted folder that was opened, or a checkpoint that was mapped. */
export type ModelSource = SavedModel | Conversion;

/**
 * Loads a model.
 *
 * @param source URL of a converted folder or of its model.json, or the bytes of a checkpoint (.pth, .safetensors).
 *   deit-tfjs/node takes paths of either too.
 * @throws UserError if it is neither, or the backend cannot be used
 */
export async function load(
  source: string | URL | Uint8Array | ArrayBuffer | Blob,
  options: LoadOptions = {},
): Promise<VisionTransformer> {
  if (typeof source === 'string' || source instanceof URL) {
    return loadFrom(await openUrl(String(source), options.signal), options);
  }
  return loadFrom(convert(await parseCheckpoint(source), options.convert), options);
}

/** Builds a model on a backend and fills in its weights. */
export async function loadFrom(source: ModelSource, options: LoadOptions = {}): Promise<VisionTransformer> {
  const choice = await useBackend(options.backend);
  options.onBackend?.(choice);
  const model = buildModel(source.config, { labels: source.labels, preprocessing: source.preprocessing });
  try {
    await assignWeights(model.layersModel, source.readWeight, (fraction) => {
      options.signal?.throwIfAborted();
      options.onProgress?.(fraction);
    });
  } catch (error) {
    model.dispose();
    throw error;
  }
  return model;
}

/** Opens a converted folder behind a URL, which may name its model.json. */
export async function openUrl(url: string, signal?: AbortSignal): Promise<SavedModel> {
  const folder = url.replace(/model\.json([?#].*)?$/, '').replace(/\/?$/, '/');
  return openSavedModel({ name: url, read: (path) => fetchBytes(folder + path, signal) });
}

async function fetchBytes(url: string, signal?: AbortSignal): Promise<Uint8Array> {
  let response: Response;
  try {
    response = await fetch(url, { signal });
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    if ((error as Error).name === 'AbortError') throw error;
    throw new UserError(
      `${url}: cannot be fetched (${(error as Error).message}); check the network and the address`,
    );
  }
  throw new UserError(`${url}: the server answered ${response.status} ${response.statusText}`.trimEnd());
}
