import type { WasmFile } from './assets.js';

/**
 * The addresses of the WASM binaries, in dist/browser. Each is written out as `new URL(literal, import.meta.url)`, so that
 * bundlers see the file and take it along.
 */
export function wasmUrl(file: WasmFile): string {
  switch (file) {
    case 'tfjs-backend-wasm.wasm':
      return new URL('../../browser/tfjs-backend-wasm.wasm', import.meta.url).href;
    case 'tfjs-backend-wasm-simd.wasm':
      return new URL('../../browser/tfjs-backend-wasm-simd.wasm', import.meta.url).href;
    case 'tfjs-backend-wasm-threaded-simd.wasm':
      return new URL('../../browser/tfjs-backend-wasm-threaded-simd.wasm', import.meta.url).href;
  }
}
