/** What bench/package.json installs: not there where the scripts are checked. */
declare module '@huggingface/transformers';
declare module '@jax-js/jax';
declare module '@jax-js/onnx';
declare module 'onnxruntime-node';
declare module 'onnxruntime-web';
declare module '@rollup/plugin-commonjs';
declare module '@rollup/plugin-node-resolve';
