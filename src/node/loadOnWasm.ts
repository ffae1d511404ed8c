import './imageSetup.js';
import { loadOnEngine, type WasmModel } from '../models/wasmModel.js';
import { loadNodeSource, type NodeLoadOptions, type NodeModelSource } from './loadSource.js';
import { nodeHost } from './wasmHost.js';

/** As NodeLoadOptions; `backend` may be `wasm` or `auto`, which is the same here. */
export type WasmLoadOptions = NodeLoadOptions;

/**
 * Loads a model: a converted folder, a checkpoint file (.pth, .safetensors), a folder of Hugging Face or timm, an http(s)
 * URL of a converted folder or a checkpoint, a name on the hub (`hf:OWNER/NAME[@REVISION]`), or the bytes of a checkpoint.
 *
 * @throws UserError if it is none of these, or there is no WASM with SIMD here
 */
export async function load(source: NodeModelSource, options: WasmLoadOptions = {}): Promise<WasmModel> {
  return loadNodeSource(source, options, (opened, rest) => loadOnEngine(opened, rest, nodeHost()));
}
