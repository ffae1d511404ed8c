/** AdamW and the running mean of the weights, over chunks of flat buffers, and the sum of squares of gradients. */
import { repeat } from '../wgsl.js';

const THREADS = 256;

/** Words of a chunk in the table: its first number's place in fours, its fours, and the rate at which its weights decay. */
export const CHUNK_WORDS = 4;

/** Names of the numbers of an update, in the order in which the uniform has them. */
export const UPDATE_NUMBERS = [
  'learningRate',
  'clip',
  'beta1',
  'oneMinusBeta1',
  'beta2',
  'oneMinusBeta2',
  'meanCorrection',
  'squareCorrection',
  'eps',
  'emaDecay',
  'oneMinusEmaDecay',
] as const;

const table = (binding: number) => `
struct Chunk { first : u32, count : u32, decay : f32, unused : u32 }
@group(0) @binding(${binding}) var<storage, read> chunks : array<Chunk>;`;

const entry = `
@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {`;

/** Bindings: gradients, chunks, sums [chunks]. A workgroup a chunk. */
export const SQUARES = `
@group(0) @binding(0) var<storage, read> gradients : array<vec4<f32>>;
${table(1)}
@group(0) @binding(2) var<storage, read_write> squares : array<f32>;
var<workgroup> sums : array<f32, ${THREADS}>;
${entry}
  let chunk = chunks[group.x];
  var sum = vec4<f32>(0.0);
  for (var i = index; i < chunk.count; i += ${THREADS}u) {
    let gradient = gradients[chunk.first + i];
    sum = fma(gradient, gradient, sum);
  }
  sums[index] = (sum.x + sum.y) + (sum.z + sum.w);
  for (var half = ${THREADS / 2}u; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (index < half) { sums[index] += sums[index + half]; }
  }
  if (index == 0u) { squares[group.x] = sums[0]; }
}`;

/**
 * Bindings: gradients, chunks, weights, means of gradients, means of their squares, the running mean where there is one,
 * the numbers. In the order of src/train/optimizer.
 */
export function adamWCode(ema: boolean): string {
  const written = ['weights', 'means', 'squares', ...(ema ? ['averages'] : [])];
  return `
@group(0) @binding(0) var<storage, read> gradients : array<vec4<f32>>;
${table(1)}
${repeat(written.length, (i) => `@group(0) @binding(${i + 2}) var<storage, read_write> ${written[i]} : array<vec4<f32>>;`)}
struct Numbers { ${UPDATE_NUMBERS.map((name) => `${name} : f32,`).join(' ')} }
@group(0) @binding(${written.length + 2}) var<uniform> p : Numbers;
${entry}
  let chunk = chunks[group.x];
  for (var i = index; i < chunk.count; i += ${THREADS}u) {
    let at = chunk.first + i;
    let gradient = gradients[at] * p.clip;
    let mean = means[at] * p.beta1 + gradient * p.oneMinusBeta1;
    let square = squares[at] * p.beta2 + gradient * gradient * p.oneMinusBeta2;
    let root = sqrt(square) / p.squareCorrection + p.eps;
    let weight = weights[at];
    let next = weight - (mean / p.meanCorrection / root + weight * chunk.decay) * p.learningRate;
    means[at] = mean;
    squares[at] = square;
    weights[at] = next;
    ${ema ? 'averages[at] = averages[at] * p.emaDecay + next * p.oneMinusEmaDecay;' : ''}
  }
}`;
}
