/** deit-tfjs in Node: the whole public API, with the WASM backend running once it is imported. */
import * as tf from '@tensorflow/tfjs-core';
import { useBackend } from './backend.js';

export * from './index.js';

// createModel is synchronous and tfjs' WASM backend starts asynchronously. In Node nothing is to be fetched for it,
// so it is started here; in a browser load() or useBackend() starts what the page chooses.
if (tf.engine().backendName == null) await useBackend('wasm');
