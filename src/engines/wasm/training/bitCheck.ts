/** Trains a small model for a step with two compilations of one module, and compares every bit of what comes of it. */
import type { ConvolutionOps } from '../../../ops/convolutionInterface.js';
import type { Ops } from '../../../ops/interface.js';
import { sizeOf } from '../../../shape.js';
import { CONTROL } from '../control.js';
import { createMemory } from '../memory.js';
import type { RunnableProgram } from '../team.js';
import { instantiateTraining, sizesOf } from './module.js';
import { planPrograms } from './plan.js';
import type { Value } from './record.js';
import { record } from './recording.js';
import { adamWNumbers, chunkTable, laySpace, optimizerSteps } from './space.js';

const WIDTH = 48;
const HIDDEN = 80;
const ACTIVATIONS = ['gelu', 'gelu_tanh', 'quick_gelu', 'relu', 'tanh', 'silu'] as const;
/** Of its convnet: no whole number of pairs of vectors. */
const CHANNELS = 20;
const PIXEL_ACTIVATIONS = ['silu', 'sigmoid'] as const;
const TABLE = [
  { name: 'patch.kernel', shape: [4, 4, 3, WIDTH] },
  { name: 'patch.bias', shape: [WIDTH] },
  { name: 'cls', shape: [1, 1, WIDTH] },
  { name: 'pos', shape: [1, 26, WIDTH] },
  { name: 'norm.gamma', shape: [WIDTH] },
  { name: 'norm.beta', shape: [WIDTH] },
  { name: 'attn.qkv.kernel', shape: [WIDTH, 3 * WIDTH] },
  { name: 'attn.qkv.bias', shape: [3 * WIDTH] },
  { name: 'proj.kernel', shape: [WIDTH, WIDTH] },
  { name: 'gamma', shape: [WIDTH] },
  ...ACTIVATIONS.flatMap((name) => [
    { name: `${name}.norm.gamma`, shape: [WIDTH] },
    { name: `${name}.norm.beta`, shape: [WIDTH] },
    { name: `${name}.fc1.kernel`, shape: [WIDTH, HIDDEN] },
    { name: `${name}.fc1.bias`, shape: [HIDDEN] },
    { name: `${name}.fc2.kernel`, shape: [HIDDEN, WIDTH] },
  ]),
  { name: 'conv.kernel', shape: [3, 3, 3, CHANNELS] },
  { name: 'bn.gamma', shape: [CHANNELS] },
  { name: 'bn.beta', shape: [CHANNELS] },
  { name: 'bn.mean', shape: [CHANNELS] },
  { name: 'bn.variance', shape: [CHANNELS] },
  { name: 'depthwise.kernel', shape: [3, 3, CHANNELS, 1] },
  ...PIXEL_ACTIVATIONS.map((name) => ({ name: `${name}.kernel`, shape: [3, 3, CHANNELS / 2, CHANNELS / 2] })),
].map((row) => ({ ...row, decays: row.shape.length > 1 }));

/** Convolutions of 20 × 20 pixels, and what goes with them. */
function convnet(ops: ConvolutionOps<Value> & Ops<Value>, images: Value): Value {
  const from = (side: number, stride: number) => ({
    height: side,
    width: side,
    kernel: [3, 3] as const,
    strides: [stride, stride] as const,
    padding: [1, 1] as const,
    outputHeight: Math.ceil(side / stride),
    outputWidth: Math.ceil(side / stride),
  });
  const norm = { gamma: 'bn.gamma', beta: 'bn.beta', mean: 'bn.mean', variance: 'bn.variance' };
  let x = ops.convolution(ops.pixels(images), { kernel: 'conv.kernel' }, from(20, 2));
  x = ops.activation(ops.batchNorm(x, norm, { epsilon: 1e-5, momentum: 0.9 }), 'relu');
  x = ops.add(ops.depthwiseConvolution(x, { kernel: 'depthwise.kernel' }, from(10, 1)), x);
  x = ops.maxPool(x, from(10, 2));
  const kernels = PIXEL_ACTIVATIONS.map((name) => `${name}.kernel`);
  x = ops.groupedConvolution(x, { kernels }, from(5, 1));
  for (const activation of PIXEL_ACTIVATIONS) x = ops.activation(x, activation);
  return ops.meanTokens(ops.gate(x, ops.meanTokens(x, 0)), 0);
}

function forward(ops: ConvolutionOps<Value> & Ops<Value>, images: Value): Value {
  const prefix = [{ name: 'cls', position: 0 }];
  let x = ops.addTokens(ops.patchEmbed(images, 'patch'), { prefix, posEmbed: 'pos', firstPatch: 1 });
  const attended = ops.selfAttention(ops.layerNorm(x, 'norm', 1e-6), 'attn', { numHeads: 3 });
  x = ops.linearResidual(attended, 'proj', { residual: x, scale: 'gamma' });
  for (const activation of ACTIVATIONS) {
    const normed = ops.layerNorm(x, `${activation}.norm`, 1e-6);
    const hidden = ops.linear(normed, `${activation}.fc1`, { activation });
    x = ops.linearResidual(hidden, `${activation}.fc2`, { residual: x });
  }
  return ops.concat([ops.meanTokens(x, 0), convnet(ops, images)]);
}

export function sameTraining(module: WebAssembly.Module, other: WebAssembly.Module): boolean {
  const bits = [module, other].map(trainOn);
  return bits[0]!.every((word, i) => word === bits[1]![i]);
}

/** The bits of the weights after a step, of their gradients and of what the optimiser remembers. */
function trainOn(module: WebAssembly.Module): Uint32Array {
  const memory = createMemory(true);
  const kernels = instantiateTraining(module, memory.memory);
  const sizes = sizesOf(kernels);
  const space = laySpace(TABLE, true);
  const { places, buffers } = space;
  const trainable = new Set(TABLE.map(({ name }) => name).filter((name) => !/mean|variance/.test(name)));
  const options = {
    batch: 2,
    imageShape: [20, 20, 3] as const,
    places,
    shape: sizes,
    training: true,
    trainable,
  };
  const recording = record(forward, options);
  const optimizer = optimizerSteps(space, recording.reached);
  const { images, output, outputGradient } = recording;
  const kept = [images, output.operand, outputGradient];
  const parts = [recording.forward, [...recording.backward, optimizer.update]];
  const { programs, addressOf, end } = planPrograms(parts, kept, sizes, optimizer.end, 1);
  memory.reserve(end + 1e5);
  for (const [i, { name, shape }] of TABLE.entries()) {
    const values = memory.floats(places.weights + places.space.row(name).offset, sizeOf(shape));
    const around = name === 'bn.variance' ? 1 : 0;
    for (const at of values.keys()) values[at] = around + Math.sin(at * at + i) / 4;
  }
  const numbers = { learningRate: 0.1, clip: 0.5, beta1: 0.9, beta2: 0.99, eps: 1e-8 };
  const rest = { meanCorrection: 0.1, squareCorrection: 0.1, weightDecay: 0.1, emaDecay: 0.9 };
  memory.floats(optimizer.numbers, 16).set(adamWNumbers({ ...numbers, ...rest }));
  const table = chunkTable(optimizer.chunks, rest.weightDecay);
  new Int32Array(memory.memory.buffer, optimizer.table, table.length).set(table);
  fill(memory.floats(addressOf(images), 2400));
  const run = (program: RunnableProgram) => {
    const { buffer } = memory.memory;
    new Int32Array(buffer, CONTROL, 64).fill(0);
    new Int32Array(buffer, program.start, program.words.length).set(program.words);
    const { groups, count, own, ownBytes, tasks } = program;
    kernels.execute(groups, count, CONTROL, own, own + ownBytes, false, tasks);
  };
  run(programs[0]!);
  fill(memory.floats(addressOf(outputGradient), WIDTH + CHANNELS));
  run(programs[1]!);
  const from = Math.min(...Object.values(buffers));
  return new Uint32Array(memory.memory.buffer, from, (places.zeros - from) >> 2).slice();
}

function fill(values: Float32Array): void {
  for (const i of values.keys()) values[i] = Math.cos(i * i);
}
