/**
 * deit-tfjs/wasm: models on the WASM engine alone, for pages that want no more. There is no tfjs in it, and no file beside
 * it; what needs tensors (layers, gradients, training, GPUs) is in deit-tfjs, to which a model can be handed
 * (`withTensors`).
 */
import './imageSetup.js';
import { loadOnEngine, type WasmModel } from '../models/wasmModel.js';
import { browserHost } from './engineHost.js';
import { type BrowserLoadOptions, type BrowserModelSource, loadBrowserSource } from './loadSource.js';

export * from '../wasm.js';
export { cachedFetch, clearCache, type KeptFile, listKeptFiles } from './cache.js';
export { type BrowserImageSource, decodeImage, imageBitmap, MAX_PIXELS } from './decode.js';
export { type BrowserHubOptions, clearHubCache, listCachedFiles, openHub } from './hub.js';
export type { BrowserImage } from './imageInputs.js';
export type { BrowserModelSource } from './loadSource.js';

/** As BrowserLoadOptions; `backend` may be `wasm` or `auto`, which is the same here. */
export type WasmLoadOptions = Omit<BrowserLoadOptions, 'assetFolder'>;

/**
 * Loads a model.
 *
 * @param source `hf:OWNER/NAME[@REVISION]` on the hub, or URL of a converted folder, of its model.json or of a checkpoint
 *   file, or the bytes of a checkpoint (.pth, .safetensors), e.g. a File that was dropped on the page, or the files of a
 *   converted folder
 * @throws UserError if it is neither, it cannot be fetched, or there is no WASM with SIMD here
 */
export async function load(source: BrowserModelSource, options: WasmLoadOptions = {}): Promise<WasmModel> {
  const host = browserHost(); // looks for threads while the first files are fetched
  host.catch(() => {}); // told where it is awaited
  return loadBrowserSource(source, options, async (opened, rest) => loadOnEngine(opened, rest, await host));
}
