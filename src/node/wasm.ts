/**
 * deit-tfjs/wasm for Node: models on the WASM engine alone, on every core. It is there in a third of the time, as there is
 * no tfjs in it; what needs tensors (layers, gradients, training, GPUs) is in deit-tfjs, to which a model can be handed
 * (`withTensors`).
 */
export * from '../wasm.js';
export { decodeImage } from './decode.js';
export { type NodeHubOptions, openHub } from './hub/openHub.js';
export type { NodeImage } from './imageInputs.js';
export { load, type WasmLoadOptions } from './loadOnWasm.js';
export type { NodeModelSource } from './loadSource.js';
