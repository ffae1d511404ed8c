/** deit-tfjs' WASM engine: a program on memory and threads of its own. */
import { join } from 'node:path';

/** `wide` is false for 128-bit operations, `simd` the most to use. */
export async function openEngine({ folder, size, threads, quantize, wide = true, simd = undefined }) {
  const { createWasmEngine } = await import('../../dist/src/engines/wasm/index.js');
  const { compileOptimized, startNodeWorker } = await import('../../dist/src/node/wasmEngine.js');
  const { openModel } = await import('../../dist/src/node/openModel.js');
  const { forward } = await import('../../dist/src/families/vit/forward.js');
  const { weightSpecs } = await import('../../dist/src/families/vit/weights.js');
  const { quantize: quantized } = await import('../../dist/src/families/vit/quantize.js');
  let { source } = await openModel(join(folder, 'layers'));
  if (quantize) source = quantized(source);
  const { config, readWeight } = source;
  return createWasmEngine({
    forward: (ops, images) => forward(ops, config, images, { outputTokensOnly: true }),
    weights: weightSpecs(config),
    readWeight,
    inputShape: [size, size, 3],
    threads,
    startWorker: startNodeWorker,
    compile: wide ? compileOptimized : undefined,
    simd,
  });
}

export async function open(options) {
  const engine = await openEngine(options);
  return {
    run: (pixels, batch) => engine.run(pixels, batch),
    dispose: () => engine.dispose(),
  };
}
