/**
 * What a training step on WebGPU costs its host: the time in which JavaScript and Dawn make its commands, with a device that
 * computes nothing (Dawn's null backend, which has 512 MB: a batch of 8 goes through at once), so that no GPU is needed. Processor time of the process is in it, the memory traffic of
 * images too. Argument: JSON {name, batch, rounds}; a line of JSON.
 */
import { createWebgpuTrainingEngine } from '../../dist/src/engines/webgpu/training/index.js';
import { forward, headLogits } from '../../dist/src/families/vit/forward.js';
import { weightSpecs } from '../../dist/src/families/vit/weights.js';
import { resolveConfig } from '../../dist/src/models/create.js';
import { loadDawn } from '../../dist/src/node/webgpu/dawn.js';
import { logitGradients } from '../../dist/src/train/logitGradients.js';
import { median, processorClock } from '../lib/race.mjs';

const WARM_UP = 3;

const { name = 'tiny', batch = 8, rounds = 20 } = JSON.parse(process.argv[2] ?? '{}');
const dawn = await loadDawn();
const gpu = dawn.create(['backend=null']);
const adapter = await gpu.requestAdapter();
const { limits } = adapter;
const device = await adapter.requestDevice({
  requiredLimits: {
    maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
    maxBufferSize: limits.maxBufferSize,
  },
});
const config = resolveConfig(`deit_${name}_distilled_patch16_224`);
const weights = weightSpecs(config);
const engine = await createWebgpuTrainingEngine({
  device,
  name: 'no GPU',
  forward: (ops, images) => headLogits(ops, config, images),
  predict: (ops, images) => forward(ops, config, images, { outputTokensOnly: true }),
  weights,
  trainable: new Set(weights.map((row) => row.name)),
  inputShape: [...config.imgSize, config.inChans],
  ema: false,
});
const images = new Float32Array(batch * 224 * 224 * 3);
const targets = new Float32Array(batch * 1000).fill(0.001);
const teacherLogits = Float32Array.from({ length: batch * 1000 }, (_, i) => Math.sin(i));
let loss = 0;
let dispatches = 0;
let submits = 0;
const counted = (object, method, count) => {
  const real = object[method].bind(object);
  object[method] = (...args) => {
    count();
    return real(...args);
  };
};
async function step(count) {
  const begun = processorClock();
  const start = performance.now();
  loss = 0;
  await engine.gradients({
    images,
    batch,
    dropPath: [],
    adds: false,
    lossGradient(logits, first, rows) {
      const entered = performance.now();
      const part = (values) => values.subarray(1000 * first, 1000 * (first + rows));
      const given = {
        logits,
        width: 2000,
        targets: part(targets),
        teacherLogits: part(teacherLogits),
        classes: 1000,
      };
      const { gradient } = logitGradients(given, { type: 'hard', alpha: 0.5, tau: 1 }, batch);
      loss += performance.now() - entered;
      return gradient;
    },
  });
  await engine.gradientNorm();
  await engine.update({
    learningRate: 1e-4,
    clip: 1,
    beta1: 0.9,
    beta2: 0.999,
    meanCorrection: 1 - 0.9 ** count,
    squareCorrection: Math.sqrt(1 - 0.999 ** count),
    eps: 1e-8,
    weightDecay: 0.05,
    emaDecay: 0,
  });
  return { clock: performance.now() - start, processor: processorClock() - begun, loss };
}
const steps = [];
for (let round = -WARM_UP; round < rounds; round++) {
  const measured = await step(round + WARM_UP + 1);
  if (round >= 0) steps.push(measured);
}
counted(device.queue, 'submit', () => submits++);
const makeEncoder = device.createCommandEncoder.bind(device);
device.createCommandEncoder = () => {
  const encoder = makeEncoder();
  const begin = encoder.beginComputePass.bind(encoder);
  encoder.beginComputePass = () => {
    const pass = begin();
    counted(pass, 'dispatchWorkgroups', () => dispatches++);
    return pass;
  };
  return encoder;
};
await step(rounds + WARM_UP + 1);
const of = (key) => steps.map((measured) => measured[key]);
console.log(
  JSON.stringify({
    trainHost: name,
    images: batch,
    dispatches,
    submits,
    median: median(of('clock')),
    least: Math.min(...of('clock')),
    processor: Math.min(...of('processor')),
    ofWhichLoss: Math.min(...of('loss')),
  }),
);
process.exit(0);
