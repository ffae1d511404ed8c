/** Pieces of WGSL (https://www.w3.org/TR/WGSL/) that the engine's kernels are put together from. */
import type { Activation } from '../../ops/interface.js';

/** How numbers are stored; all sums are float32. */
export type Scalar = 'f32' | 'f16';

/** An array that a kernel reads, or writes where it says so. */
export interface ArrayBinding {
  readonly name: string;
  readonly type: Scalar;
  /** Numbers of an element: 4 where rows are a multiple of 4 long. */
  readonly width: 1 | 4;
  readonly write?: boolean;
}

/** Lines, one for each i of [0, count). */
export function repeat(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join('\n');
}

/** Type of four numbers, or of one. */
function elementType({ type, width }: Pick<ArrayBinding, 'type' | 'width'>): string {
  return width === 4 ? `vec4<${type}>` : type;
}

/**
 * A module: bindings in their order, then `sizes`, four numbers that differ from batch to batch, then `body`.
 *
 * @param features names behind `enable`
 */
export function shader(
  bindings: readonly ArrayBinding[],
  body: string,
  features: readonly string[] = [],
): string {
  const half = bindings.some(({ type }) => type === 'f16') && !features.includes('f16');
  const enables = [...(half ? ['f16'] : []), ...features].map((name) => `enable ${name};`);
  const arrays = bindings.map(
    (binding, i) =>
      `@group(0) @binding(${i}) var<storage, ${binding.write ? 'read_write' : 'read'}> ${binding.name} : array<${elementType(binding)}>;`,
  );
  const sizes = `@group(0) @binding(${bindings.length}) var<uniform> sizes : vec4<u32>;`;
  return [...enables, ...arrays, sizes, body].join('\n');
}

/**
 * WGSL functions over rows of `length` numbers: NAME(row, i) is the numbers 4i … 4i+3 as float32, zero beyond the row's
 * end; a row's start is `row * stride + offset`.
 */
export function reader(
  name: string,
  { name: array, width }: ArrayBinding,
  length: number,
  stride = length,
  offset = 0,
): string {
  if (width === 4) {
    const at = `row * ${stride / 4}u + ${offset / 4}u + i`;
    return `fn ${name}(row : u32, i : u32) -> vec4<f32> { return vec4<f32>(${array}[${at}]); }`;
  }
  return `
fn ${name}(row : u32, i : u32) -> vec4<f32> {
  var values = vec4<f32>(0.0);
  let start = row * ${stride}u + ${offset}u;
  for (var j = 0u; j < 4u; j++) { if (4u * i + j < ${length}u) { values[j] = f32(${array}[start + 4u * i + j]); } }
  return values;
}`;
}

/** As reader: NAME(row, i, values) writes. */
export function writer(
  name: string,
  { name: array, type, width }: ArrayBinding,
  length: number,
  stride = length,
  offset = 0,
): string {
  if (width === 4) {
    const at = `row * ${stride / 4}u + ${offset / 4}u + i`;
    return `fn ${name}(row : u32, i : u32, values : vec4<f32>) { ${array}[${at}] = vec4<${type}>(values); }`;
  }
  return `
fn ${name}(row : u32, i : u32, values : vec4<f32>) {
  let start = row * ${stride}u + ${offset}u;
  for (var j = 0u; j < 4u; j++) { if (4u * i + j < ${length}u) { ${array}[start + 4u * i + j] = ${type}(values[j]); } }
}`;
}

/** How many numbers an element of arrays has whose rows are so long. */
export function widthFor(...lengths: readonly number[]): 1 | 4 {
  return lengths.every((length) => length % 4 === 0) ? 4 : 1;
}

/** `fn activate`, of four numbers. Exponents are kept where no implementation overflows. */
export function activationFunction(activation: Activation | undefined): string {
  return `fn activate(x : vec4<f32>) -> vec4<f32> { ${activation ? ACTIVATIONS[activation] : 'return x;'} }`;
}

const SIGMOID = (x: string) => `(1.0 / (1.0 + exp(min(-(${x}), vec4<f32>(80.0)))))`;
const TANH = (x: string) => `tanh(clamp(${x}, vec4<f32>(-15.0), vec4<f32>(15.0)))`;

const ACTIVATIONS: Readonly<Record<Activation, string>> = {
  // erfc by Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7), whose form near 0 keeps small values of Φ exact.
  gelu: `
  let z = abs(x) * 0.7071067811865476;
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let tail = 0.5 * series * exp(-z * z);
  return x * select(tail, 1.0 - tail, x >= vec4<f32>(0.0));`,
  gelu_tanh: `return 0.5 * x * (1.0 + ${TANH('0.7978845608028654 * (x + 0.044715 * x * x * x)')});`,
  quick_gelu: `return x * ${SIGMOID('1.702 * x')};`,
  silu: `return x * ${SIGMOID('x')};`,
  relu: 'return max(x, vec4<f32>(0.0));',
  tanh: `return ${TANH('x')};`,
};
