/** Runs small transformer blocks with two builds or compilations of the kernels, and compares every bit of what they give. */
import type { Ops } from '../../ops/interface.js';
import { sizeOf } from '../../shape.js';
import { layOut, type Program } from './layOut.js';
import { createMemory } from './memory.js';
import { type EngineExports, instantiate, tilesOf } from './module.js';
import { record, type Value } from './record.js';
import { WeightLayout } from './weightLayout.js';
import { fillWeights } from './weights.js';

const WIDTH = 48;
const HIDDEN = 80;
const TOKENS = 26;
const TABLE = [
  { name: 'patch.kernel', shape: [4, 4, 3, WIDTH] },
  { name: 'patch.bias', shape: [WIDTH] },
  { name: 'cls', shape: [1, 1, WIDTH] },
  { name: 'pos', shape: [1, TOKENS, WIDTH] },
  { name: 'norm.gamma', shape: [WIDTH] },
  { name: 'norm.beta', shape: [WIDTH] },
  { name: 'attn.qkv.kernel', shape: [WIDTH, 3 * WIDTH] },
  { name: 'attn.qkv.bias', shape: [3 * WIDTH] },
  { name: 'proj.kernel', shape: [WIDTH, WIDTH] },
  { name: 'fc1.kernel', shape: [WIDTH, HIDDEN] },
  { name: 'fc1.bias', shape: [HIDDEN] },
  { name: 'fc2.kernel', shape: [HIDDEN, WIDTH] },
  { name: 'gamma', shape: [WIDTH] },
  // 8-bit codes, of a product that gives floats and of one that adds to its input.
  { name: 'codes1.kernel', shape: [WIDTH, HIDDEN] },
  { name: 'codes1.scale', shape: [HIDDEN] },
  { name: 'codes1.bias', shape: [HIDDEN] },
  { name: 'codes2.kernel', shape: [HIDDEN, WIDTH] },
  { name: 'codes2.scale', shape: [WIDTH] },
];

/** Largest code of a weight: four products with the largest codes of rows, 127, stay within 16 bits. */
const LARGEST_CODE = 64;

/** Value `at` of the weight of index `i`; codes are whole. */
function weightValue(name: string, i: number, at: number): number {
  const value = Math.sin(at * at + i);
  if (!name.startsWith('codes')) return value;
  return name.endsWith('.kernel') ? Math.round(LARGEST_CODE * value) : value / 1000;
}

function forward(ops: Ops<Value>, images: Value): Value {
  const prefix = [{ name: 'cls', position: 0 }];
  let x = ops.addTokens(ops.patchEmbed(images, 'patch'), { prefix, posEmbed: 'pos', firstPatch: 1 });
  const attended = ops.selfAttention(ops.layerNorm(x, 'norm', 1e-6), 'attn', { numHeads: 3 });
  x = ops.linearResidual(attended, 'proj', { residual: x, scale: 'gamma' });
  for (const activation of ['gelu', 'gelu_tanh', 'quick_gelu', 'relu', 'tanh', 'silu'] as const) {
    const hidden = ops.linear(ops.layerNorm(x, 'norm', 1e-6), 'fc1', { activation });
    x = ops.linearResidual(hidden, 'fc2', { residual: x });
  }
  for (const activation of ['gelu', undefined] as const) {
    const hidden = ops.linear(ops.layerNorm(x, 'norm', 1e-6), 'codes1', { activation });
    x = ops.linearResidual(hidden, 'codes2', { residual: x });
  }
  return ops.concat([...Array(TOKENS).keys()].map((token) => ops.token(x, token)));
}

/** @param shared whether the modules want shared memory */
export function givesSameBits(
  module: WebAssembly.Module,
  other: WebAssembly.Module,
  shared: boolean,
): boolean {
  const bits = runOn(other, shared);
  return runOn(module, shared).every((word, i) => word === bits[i]);
}

/** The bits of all tokens of an image. */
function runOn(module: WebAssembly.Module, shared: boolean): Uint32Array {
  const memory = createMemory(shared);
  const kernels = instantiate(module, memory.memory);
  const tiles = tilesOf(kernels);
  const control = 65536;
  const layout = new WeightLayout(TABLE, control + 256, tiles);
  const program = layOut(record(forward, [20, 20, 3], 1, layout, tiles), tiles, layout.end, 1);
  memory.reserve(program.end + 1e5);
  for (const [i, { name, shape }] of TABLE.entries()) {
    const size = sizeOf(shape);
    fillWeights(
      layout,
      memory,
      kernels,
      name,
      Float32Array.from({ length: size }, (_, at) => weightValue(name, i, at)),
    );
  }
  const images = memory.floats(program.images, 1200);
  for (let i = 0; i < images.length; i++) images[i] = Math.cos(i * i);
  new Int32Array(memory.memory.buffer, program.start, program.words.length).set(program.words);
  runAlone(kernels, program, control);
  return new Uint32Array(memory.memory.buffer, program.output, program.width).slice();
}

function runAlone(kernels: EngineExports, program: Program, control: number): void {
  const { groups, count, own, ownBytes, tasks } = program;
  kernels.execute(groups, count, control, own, own + ownBytes, false, tasks);
}
