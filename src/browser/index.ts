/** deit-tfjs for browsers by way of a bundler, which takes the files along that are named as `new URL(literal, …)`. */
import { setAssetSource } from './assets.js';
import { wasmUrl } from './wasmUrls.js';

export * from './library.js';

setAssetSource({
  wasmUrl,
  startWorker: () =>
    new Worker(new URL('./worker/worker.js', import.meta.url), { type: 'module', name: 'deit-tfjs' }),
});
