import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';

/**
 * Tells tfjs where its WASM binaries are: beside the bundle, wherever that is served. Each address is written out
 * as `new URL(literal, import.meta.url)`, so that bundlers see the file and take it along.
 */
export function locateWasmFiles(): void {
  setWasmPaths({
    'tfjs-backend-wasm.wasm': new URL('../../browser/tfjs-backend-wasm.wasm', import.meta.url).href,
    'tfjs-backend-wasm-simd.wasm': new URL('../../browser/tfjs-backend-wasm-simd.wasm', import.meta.url).href,
    'tfjs-backend-wasm-threaded-simd.wasm': new URL(
      '../../browser/tfjs-backend-wasm-threaded-simd.wasm',
      import.meta.url,
    ).href,
  });
}
