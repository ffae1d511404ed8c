/**
 * A training step (forward, backward, AdamW; hard distillation, the convnet without) here and in PyTorch eager, turn by turn in one run, from
 * the same weights on the same batch; the losses of the first step are compared.
 *
 *     npm run build && node bench/train.mjs --python PYTHON [--models digits,tiny,convnet] [--rounds 15]
 *       [--backends engine,webgpu-engine,tensorflow-engine,wasm,webgpu,tensorflow] [--threads 1,2] [--device cuda] [--batch 64]
 *
 * PYTHON has torch and safetensors. `engine`, `webgpu-engine`, `tensorflow-engine`: the training engines on WASM, on
 * WebGPU and on native TensorFlow, which `deit train` uses there; `wasm`, `webgpu`, `tensorflow`: tfjs' gradients, on one thread or
 * operation by operation. --threads: the engine's on WASM and PyTorch's (TensorFlow's are TF_NUM_INTRAOP_THREADS); --device:
 * PyTorch's. Processor time is that of all
 * threads: it tells more than the clock where other processes take part of the machine.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { safetensorsChunks } from '../dist/converters/write/safetensors.js';
import { stateDictChunks } from '../dist/converters/write/stateDict.js';
import * as deit from '../dist/src/node/index.js';
import { EngineSteps } from '../dist/src/train/engineSteps.js';
import { adamW } from '../dist/src/train/optimizer/index.js';
import { freshWeights } from '../dist/src/train/startModel.js';
import { applyGradients, computeGradients, disposeGradients, initialState } from '../dist/src/train/step.js';
import { makeConvnet } from '../examples/lib/convnet.mjs';
import { makeImages, toPlanes } from './lib/models.mjs';
import { median, processorClock } from './lib/race.mjs';

const MODELS = {
  digits: {
    shape: {
      name: 'digits',
      imgSize: [28, 28],
      patchSize: 7,
      embedDim: 64,
      depth: 4,
      numHeads: 4,
      numClasses: 10,
    },
    batch: 128,
  },
  tiny: {
    shape: {
      name: 'tiny',
      imgSize: [224, 224],
      patchSize: 16,
      embedDim: 192,
      depth: 12,
      numHeads: 3,
      numClasses: 1000,
    },
    batch: 8,
  },
  // The teacher of examples/digits: filters, kernel size and stride of each convolution.
  convnet: {
    shape: {
      name: 'convnet',
      imgSize: [28, 28],
      numClasses: 10,
      stages: [
        [16, 5, 2],
        [32, 3, 2],
        [48, 3, 1],
        [64, 3, 2],
      ],
    },
    batch: 64,
  },
};
const LR = 1e-4;
const WEIGHT_DECAY = 0.05;
const OPTIMIZER = { beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: WEIGHT_DECAY, clipGrad: null };
const HARD = /** @type {const} */ ({ type: 'hard', alpha: 0.5, tau: 1 });
const NONE = /** @type {const} */ ({ type: 'none', alpha: 0, tau: 1 });
const distillationOf = ({ stages }) => (stages ? NONE : HARD);
const WARM_UP = 3;

/** The batch: images, targets and the teacher's logits. */
function makeBatch({ imgSize: [side], numClasses }, batch) {
  const pixels = makeImages(batch, side);
  const targets = new Float32Array(batch * numClasses);
  for (let i = 0; i < batch; i++) targets[i * numClasses + ((7 * i) % numClasses)] = 1;
  const teacher = Float32Array.from({ length: batch * numClasses }, (_, i) => Math.sin(i));
  return { pixels, targets, teacher };
}

/** A student with fresh weights on the current backend. */
async function freshStudent(shape) {
  if (shape.stages) {
    const { name, imgSize, stages, numClasses: units } = shape;
    const model = makeConvnet({ name, inputShape: [...imgSize, 3], stages, units, seed: 1 });
    return { model, student: deit.studentOfLayersModel(model) };
  }
  const model = deit.createModel({ ...shape, distilled: true });
  const read = freshWeights(model.config, 'deit', 1);
  const student = deit.studentOf(model, { frozenBlocks: 0, attentionOnly: false });
  for (const [name, weight] of student.weights) {
    const values = await read(name);
    tf.tidy(() => {
      weight.write(tf.tensor(values, weight.shape));
    });
  }
  return { model, student };
}

/** Steps on a backend's training engine: each call is one step and gives its loss. */
async function onEngine(backend, threads, { shape, batch }, given) {
  await deit.useBackend(backend);
  const { model, student } = await freshStudent(shape);
  /** What a step reads of a configuration. @type {any} */
  const config = {
    optimizer: OPTIMIZER,
    distillation: distillationOf(shape),
    accumulate: 1,
    emaDecay: null,
  };
  const engine = await deit.openTrainingEngine(student, config, threads);
  /** @type {any} */
  const setup = { config, student, imgSize: shape.imgSize };
  const steps = new EngineSteps(setup, engine);
  const use = async () => {
    if (tf.getBackend() !== backend) await tf.setBackend(backend);
  };
  const logits = tf.tensor2d(given.teacher, [batch, shape.numClasses]);
  /** @type {any} */
  const inputs = {
    pixels: given.pixels,
    targets: given.targets,
    count: batch,
    // A clone: the caller disposes of what it gets.
    teacher: shape.stages ? undefined : { predict: () => tf.clone(logits) },
    dropPathSeed: () => 1,
  };
  let count = 0;
  return {
    name: `deit-tfjs, ${engine.description}`,
    async step() {
      await use();
      const start = performance.now();
      const begun = processorClock();
      const { loss } = await steps.add(inputs);
      await steps.update({ count: ++count, learningRate: LR });
      // A GPU goes on when the call is over: a step ends when it has ended.
      if (backend === 'webgpu') {
        const { queue } = /** @type {{ queue: GPUQueue }} */ (/** @type {unknown} */ (deit.tf.backend()));
        await queue.onSubmittedWorkDone();
      }
      return { loss, ms: performance.now() - start, processor: processorClock() - begun };
    },
    async close() {
      engine.dispose();
      model.dispose();
      logits.dispose();
    },
  };
}

/** Steps by tfjs' gradients on a backend. */
async function byTfjs(backend, { shape, batch }, given) {
  await deit.useBackend(backend);
  const { model, student } = await freshStudent(shape);
  const [height, width] = shape.imgSize;
  const inputs = {
    images: tf.tensor4d(given.pixels, [batch, height, width, 3]),
    targets: tf.tensor2d(given.targets, [batch, shape.numClasses]),
    teacherLogits: tf.tensor2d(given.teacher, [batch, shape.numClasses]),
  };
  const optimizer = adamW(OPTIMIZER, student.decays);
  let state = initialState(optimizer, student);
  let count = 0;
  const use = async () => {
    if (tf.getBackend() !== backend) await tf.setBackend(backend);
  };
  return {
    name: `deit-tfjs, tfjs' gradients on ${backend}`,
    async step() {
      await use();
      const start = performance.now();
      const begun = processorClock();
      const gradients = computeGradients(student, inputs, distillationOf(shape), () => 1);
      state = applyGradients(student, optimizer, gradients.byWeight, {
        state,
        count: ++count,
        learningRate: LR,
      });
      const [loss] = await gradients.total.data();
      disposeGradients(gradients);
      return { loss, ms: performance.now() - start, processor: processorClock() - begun };
    },
    async close() {
      await use();
      model.dispose();
      tf.dispose(Object.values(inputs));
      for (const slot of Object.values(state)) tf.dispose(slot);
    },
  };
}

/** The weights of freshStudent as a file: a state_dict, or of a convnet as tfjs has them, by their number. */
async function weightChunks(shape, tensor) {
  if (shape.stages) {
    await deit.useBackend('wasm');
    const { model, student } = await freshStudent(shape);
    const tensors = [...student.weights.values()].map((weight, i) =>
      tensor(String(i), weight.shape, Float32Array.from(weight.read().dataSync())),
    );
    model.dispose();
    return safetensorsChunks(tensors);
  }
  const config = deit.resolveConfig({ ...shape, distilled: true });
  return stateDictChunks({
    config,
    labels: undefined,
    preprocessing: deit.preprocessingFor('deit', config.imgSize),
    readWeight: freshWeights(config, 'deit', 1),
  });
}

/** The same in PyTorch, a process that makes a step for each line that it is sent. */
async function pytorch({ python, device }, threads, { shape, batch }, given) {
  const folder = await mkdtemp(join(tmpdir(), 'deit-bench-train-'));
  const tensor = (name, dims, values) => ({ name, shape: dims, read: () => values });
  await writeFile(join(folder, 'weights.safetensors'), await weightChunks(shape, tensor));
  const [side] = shape.imgSize;
  const tensors = [
    tensor('images', [batch, 3, side, side], toPlanes(given.pixels, batch, side)),
    tensor('targets', [batch, shape.numClasses], given.targets),
    tensor('teacher', [batch, shape.numClasses], given.teacher),
  ];
  await writeFile(join(folder, 'batch.safetensors'), safetensorsChunks(tensors));
  await writeFile(
    join(folder, 'shape.json'),
    JSON.stringify({ ...shape, lr: LR, weightDecay: WEIGHT_DECAY, threads, device }),
  );
  const script = fileURLToPath(new URL('./lib/train_step.py', import.meta.url));
  const child = spawn(python, [script, folder], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${python} ended; it needs torch and safetensors`);
    return JSON.parse(value);
  };
  const { version } = await next();
  return {
    name: `PyTorch ${version}, ${device === 'cpu' ? `${threads} thread${threads > 1 ? 's' : ''}` : device}`,
    step() {
      child.stdin.write('step\n');
      return next();
    },
    async close() {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
}

async function measure(name, { python, device, backends, threads, rounds, batch }) {
  const model = { ...MODELS[name], ...(batch ? { batch } : {}) };
  const given = makeBatch(model.shape, model.batch);
  const contenders = [];
  for (const backend of backends) {
    if (backend === 'engine') {
      for (const count of threads) contenders.push(await onEngine('wasm', count, model, given));
    } else if (backend === 'tensorflow-engine')
      contenders.push(await onEngine('tensorflow', undefined, model, given));
    else if (backend === 'webgpu-engine') contenders.push(await onEngine('webgpu', undefined, model, given));
    else contenders.push(await byTfjs(backend, model, given));
  }
  for (const count of threads) contenders.push(await pytorch({ python, device }, count, model, given));
  const times = contenders.map(() => []);
  const processors = contenders.map(() => []);
  const losses = [];
  for (let round = -WARM_UP; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      const { loss, ms, processor } = await contender.step();
      if (round === -WARM_UP) losses[i] = loss;
      if (round < 0) continue;
      times[i].push(ms);
      processors[i].push(processor);
    }
  }
  for (const contender of contenders) await contender.close();
  return contenders.map(({ name: who }, i) => ({
    model: name,
    batch: model.batch,
    who,
    median: median(times[i]),
    least: Math.min(...times[i]),
    processor: Math.min(...processors[i]),
    firstLoss: losses[i],
  }));
}

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: 'python3' },
    models: { type: 'string', default: 'digits,tiny,convnet' },
    backends: { type: 'string', default: 'engine,wasm' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '15' },
    device: { type: 'string', default: 'cpu' },
    batch: { type: 'string' },
  },
});
for (const name of values.models.split(',')) {
  const results = await measure(name, {
    python: values.python,
    backends: values.backends.split(','),
    threads: values.threads.split(',').map(Number),
    rounds: Number(values.rounds),
    device: values.device,
    batch: values.batch && Number(values.batch),
  });
  console.log(
    `${name}, batches of ${results[0].batch}: ms a step, median (least), processor time (least); the first step's loss`,
  );
  for (const { who, median: ms, least, processor, firstLoss } of results) {
    const clock = `${ms.toFixed(1)} (${least.toFixed(1)})`;
    console.log(
      `  ${who.padEnd(60)} ${clock.padStart(18)} ${processor.toFixed(1).padStart(9)}   ${firstLoss.toFixed(6)}`,
    );
  }
}
process.exit(0); // Dawn holds the process
