/** Who takes part. */

const WASM = { module: 'oursEngine.mjs' };
const PLAIN = { module: 'ours.mjs', backend: 'wasm', plain: true };
const NATIVE = { module: 'ours.mjs', backend: 'tensorflow' };

/** The first is what logits and times are compared with. */
export const ONE_THREAD = [
  { title: 'deit-tfjs, WASM float32', ...WASM },
  { title: 'deit-tfjs, WASM float32, 128 bits', ...WASM, wide: false },
  { title: 'deit-tfjs, WASM float32, no fused multiply-add', ...WASM, simd: 'simd' },
  { title: 'deit-tfjs, WASM int8', ...WASM, quantize: 'int8' },
  { title: 'deit-tfjs, native', ...NATIVE },
  { title: 'plain tfjs ops, WASM', ...PLAIN },
  { title: 'plain tfjs ops, cpu', module: 'ours.mjs', backend: 'cpu', plain: true, models: ['tiny'] },
  { title: 'onnxruntime-web', module: 'onnxruntimeWeb.mjs' },
  { title: 'onnxruntime-node', module: 'onnxruntimeNode.mjs' },
  { title: '@jax-js/onnx, WASM', module: 'jaxJs.mjs' },
  { title: 'PyTorch', needsPython: true },
];

export const ALL_THREADS = [
  { title: 'deit-tfjs, native', ...NATIVE },
  { title: 'deit-tfjs, WASM float32', ...WASM },
  { title: 'deit-tfjs, WASM int8', ...WASM, quantize: 'int8' },
  { title: 'plain tfjs ops, native', ...NATIVE, plain: true },
  { title: 'onnxruntime-web', module: 'onnxruntimeWeb.mjs' },
  { title: 'onnxruntime-node', module: 'onnxruntimeNode.mjs' },
  { title: '@huggingface/transformers', module: 'transformers.mjs' },
  { title: 'PyTorch', needsPython: true },
];
