/**
 * deit-tfjs for browsers: everything of the isomorphic API, and what only a page or a web worker has. Where the WASM
 * binaries and the worker's script lie is said by what imports this (setAssetSource).
 */
import './setup.js';

export * as tf from '@tensorflow/tfjs-core';
export * from '../index.js';
export { setAssetFolder } from './assets.js';
export { cachedFetch, clearCache, type KeptFile, listKeptFiles } from './cache.js';
export { type BrowserImageSource, decodeImage, imageBitmap, MAX_PIXELS } from './decode.js';
export { type BrowserHubOptions, clearHubCache, listCachedFiles, openHub } from './hub.js';
export type { BrowserImage } from './imageInputs.js';
export { type BrowserLoadOptions, type BrowserModelSource, load } from './load.js';
export { openTrainingEngine } from './train.js';
export { loadInWorker, type WorkerLoadOptions, type WorkerModel } from './worker/client.js';
export type { HeadLogits, PlainFeatures, PlainTensor, StageTimes } from './worker/protocol.js';
export { serveWorker } from './worker/serve.js';
