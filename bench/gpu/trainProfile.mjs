/**
 * Where the time of a training step on WebGPU goes, by kind of kernel: each dispatch in a pass of its own, timed by the GPU
 * (timestamp-query). Argument: JSON {name, batch, rounds}; a line of JSON, milliseconds a step by kind, the largest first. Passes
 * of one dispatch take longer than many in one: shares, not times of a step.
 */
import * as tf from '@tensorflow/tfjs-core';
import * as deit from '../../dist/src/node/index.js';
import { EngineSteps } from '../../dist/src/train/engineSteps.js';

const { name = 'tiny', batch = 64, rounds = 3 } = JSON.parse(process.argv[2] ?? '{}');
const WARM_UP = 2;
/** @type {Partial<import('../../dist/src/families/vit/config.js').VitConfig>} */
const DIGITS = {
  imgSize: [28, 28],
  patchSize: 7,
  embedDim: 64,
  depth: 4,
  numHeads: 4,
  numClasses: 10,
  distilled: true,
};
const MOST = 2048;

await deit.useBackend('webgpu');
const { device } = /** @type {{ device: GPUDevice }} */ (/** @type {unknown} */ (tf.backend()));
if (!device.features.has('timestamp-query')) throw new Error('this device has no timestamp-query');
const kinds = new Map();
const compile = device.createComputePipelineAsync.bind(device);
const modules = new Map();
const makeModule = device.createShaderModule.bind(device);
device.createShaderModule = (descriptor) => {
  const module = makeModule(descriptor);
  modules.set(module, descriptor.code);
  return module;
};
device.createComputePipelineAsync = async (descriptor) => {
  const pipeline = await compile(descriptor);
  const code = modules.get(descriptor.compute.module) ?? '';
  const kind = /^\s*\/\/ (.*)$/m.exec(code)?.[1];
  kinds.set(pipeline, kind ?? (code.includes('logs[') ? 'attention' : 'optimizer'));
  return pipeline;
};
const queries = device.createQuerySet({ type: 'timestamp', count: 2 * MOST });
let timed = [];
const makeEncoder = device.createCommandEncoder.bind(device);
/** Passes of one dispatch, with the time before and after. */
device.createCommandEncoder = () => {
  const encoder = makeEncoder();
  const begin = encoder.beginComputePass.bind(encoder);
  encoder.beginComputePass = () => {
    /** @type {any} */
    const state = {};
    /** @type {any} what the engine calls of a pass */
    const pass = {
      setPipeline: (pipeline) => Object.assign(state, { pipeline }),
      setBindGroup: (_index, group) => Object.assign(state, { group }),
      /** @param {[number, number, number]} grid */
      dispatchWorkgroups(...grid) {
        const at = 2 * timed.length;
        timed.push(kinds.get(state.pipeline));
        const timedPass = begin({
          timestampWrites: { querySet: queries, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 },
        });
        timedPass.setPipeline(state.pipeline);
        timedPass.setBindGroup(0, state.group);
        timedPass.dispatchWorkgroups(...grid);
        timedPass.end();
      },
      end() {},
    };
    return pass;
  };
  return encoder;
};

const model = deit.createModel(name === 'digits' ? DIGITS : `deit_${name}_distilled_patch16_224`, {
  seed: 1,
});
const student = deit.studentOf(model, { frozenBlocks: 0, attentionOnly: false });
/** @type {any} */
const config = {
  optimizer: { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0.05, clipGrad: null },
  distillation: { type: 'hard', alpha: 0.5, tau: 1 },
  accumulate: 1,
  emaDecay: null,
};
const engine = await deit.openTrainingEngine(student, config);
const { imgSize, numClasses } = model.config;
/** @type {any} */
const setup = { config, student, imgSize };
const steps = new EngineSteps(setup, engine);
const pixels = Float32Array.from({ length: batch * imgSize[0] * imgSize[1] * 3 }, (_, i) => Math.sin(i));
const targets = new Float32Array(batch * numClasses).fill(1 / numClasses);
/** @type {any} */
const inputs = {
  pixels,
  targets,
  count: batch,
  teacher: { predict: () => tf.tensor2d(targets, [batch, numClasses]) },
  dropPathSeed: () => 1,
};
const sums = {};
for (let round = -WARM_UP; round < rounds; round++) {
  timed = [];
  await steps.add(inputs);
  await steps.gradientNorm();
  await steps.update({ count: round + WARM_UP + 1, learningRate: 1e-4 });
  const count = Math.min(timed.length, MOST);
  const size = 16 * count;
  const resolved = device.createBuffer({
    size,
    usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
  });
  const reader = device.createBuffer({ size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  const encoder = makeEncoder();
  encoder.resolveQuerySet(queries, 0, 2 * count, resolved, 0);
  encoder.copyBufferToBuffer(resolved, 0, reader, 0, size);
  device.queue.submit([encoder.finish()]);
  await reader.mapAsync(GPUMapMode.READ);
  const stamps = new BigUint64Array(reader.getMappedRange());
  if (round >= 0) {
    for (let i = 0; i < count; i++) {
      const milliseconds = Number(stamps[2 * i + 1] - stamps[2 * i]) / 1e6;
      sums[timed[i]] = (sums[timed[i]] ?? 0) + milliseconds / rounds;
    }
  }
  reader.destroy();
  resolved.destroy();
}
const sorted = Object.entries(sums).sort(([, a], [, b]) => b - a);
console.log(
  JSON.stringify({
    trainProfile: name,
    images: batch,
    kinds: Object.fromEntries(sorted.map(([kind, milliseconds]) => [kind, Number(milliseconds.toFixed(3))])),
  }),
);
process.exit(0);
