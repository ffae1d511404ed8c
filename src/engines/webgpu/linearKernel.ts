import { epilogue, type LinearShape } from './product.js';
import { type Tile, tiledProduct } from './tiledProduct.js';
import { type ArrayBinding, reader, shader, widthFor } from './wgsl.js';

/** scale · activation(x · kernel + bias) + residual: rows of k numbers → rows of n. sizes: [rows, …]. */
export function linearKernel(shape: LinearShape, tile: Tile): string {
  const { k, n } = shape;
  const x: ArrayBinding = { name: 'x', type: shape.input, width: widthFor(k) };
  const kernel: ArrayBinding = { name: 'kernel', type: shape.kernel, width: widthFor(n) };
  const { bindings, code } = epilogue(shape, kernel.width);
  const whole = k % tile.depth === 0;
  const body = `
const K = ${k}u;
const N = ${n}u;
${reader('xAt', x, k)}
${reader('kernelAt', kernel, n)}
fn leftPart(row : u32, i : u32) -> vec4<f32> {
  ${whole ? '' : 'if (4u * i >= K) { return vec4<f32>(0.0); }'}
  return xAt(min(row, sizes.x - 1u), i);
}
fn rightPart(row : u32, i : u32) -> vec4<f32> {
  if (${whole ? '' : 'row >= K || '}4u * i >= N) { return vec4<f32>(0.0); }
  return kernelAt(row, i);
}
${code}
${tiledProduct(tile, { from: '0u', to: 'K' })}`;
  return shader([x, kernel, ...bindings], body);
}
