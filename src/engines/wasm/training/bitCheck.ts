/** Trains a small model for a step with two compilations of one module, and compares every bit of what comes of it. */
import type { Ops } from '../../../ops/interface.js';
import { sizeOf } from '../../../shape.js';
import { CONTROL } from '../control.js';
import { createMemory } from '../memory.js';
import type { RunnableProgram } from '../team.js';
import { instantiateTraining, sizesOf } from './module.js';
import { planPrograms } from './plan.js';
import { record, type Value } from './record.js';
import { adamWNumbers, chunkTable, laySpace, optimizerSteps } from './space.js';

const WIDTH = 48;
const HIDDEN = 80;
const ACTIVATIONS = ['gelu', 'gelu_tanh', 'quick_gelu', 'relu', 'tanh', 'silu'] as const;
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
].map((row) => ({ ...row, decays: row.shape.length > 1 }));

function forward(ops: Ops<Value>, images: Value): Value {
  const prefix = [{ name: 'cls', position: 0 }];
  let x = ops.addTokens(ops.patchEmbed(images, 'patch'), { prefix, posEmbed: 'pos', firstPatch: 1 });
  const attended = ops.selfAttention(ops.layerNorm(x, 'norm', 1e-6), 'attn', { numHeads: 3 });
  x = ops.linearResidual(attended, 'proj', { residual: x, scale: 'gamma' });
  for (const activation of ACTIVATIONS) {
    const normed = ops.layerNorm(x, `${activation}.norm`, 1e-6);
    const hidden = ops.linear(normed, `${activation}.fc1`, { activation });
    x = ops.linearResidual(hidden, `${activation}.fc2`, { residual: x });
  }
  return ops.meanTokens(x, 0);
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
  const trainable = new Set(TABLE.map(({ name }) => name));
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
    for (const at of values.keys()) values[at] = Math.sin(at * at + i) / 4;
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
  fill(memory.floats(addressOf(outputGradient), WIDTH));
  run(programs[1]!);
  const from = Math.min(...Object.values(buffers));
  return new Uint32Array(memory.memory.buffer, from, (places.zeros - from) >> 2).slice();
}

function fill(values: Float32Array): void {
  for (const i of values.keys()) values[i] = Math.cos(i * i);
}
