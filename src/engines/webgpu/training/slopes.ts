import type { Activation } from '../../../ops/interface.js';

const SIGMOID = (x: string) => `1.0 / (1.0 + exp(min(-(${x}), vec4<f32>(80.0))))`;
const TANH = (x: string) => `tanh(clamp(${x}, vec4<f32>(-15.0), vec4<f32>(15.0)))`;

const SLOPES: Readonly<Record<Activation, string>> = {
  // Φ(x) + x φ(x); Φ as in activationFunction.
  gelu: `
  let z = abs(x) * 0.7071067811865476;
  let t = 1.0 / (1.0 + 0.3275911 * z);
  let series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  let power = exp(-z * z);
  let tail = 0.5 * series * power;
  return select(tail, 1.0 - tail, x >= vec4<f32>(0.0)) + x * power * 0.3989422804014327;`,
  gelu_tanh: `
  let t = ${TANH('0.7978845608028654 * (x + 0.044715 * x * x * x)')};
  return 0.5 * (1.0 + t) + 0.5 * x * (1.0 - t * t) * 0.7978845608028654 * (1.0 + 0.134145 * x * x);`,
  quick_gelu: `let s = ${SIGMOID('1.702 * x')}; return s + 1.702 * x * s * (1.0 - s);`,
  silu: `let s = ${SIGMOID('x')}; return s + x * s * (1.0 - s);`,
  relu: 'return select(vec4<f32>(0.0), vec4<f32>(1.0), x > vec4<f32>(0.0));',
  tanh: `let t = ${TANH('x')}; return 1.0 - t * t;`,
};

/** `fn slope`: the derivative of an activation, of four numbers. */
export function slopeFunction(activation: Activation): string {
  return `fn slope(x : vec4<f32>) -> vec4<f32> { ${SLOPES[activation]} }`;
}
