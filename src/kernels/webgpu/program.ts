/** How a compute shader is handed to the WebGPU backend of TensorFlow.js. */
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';

/**
 * A shader with its geometry. tfjs declares `result`, an array for each variable, and `uniforms`; the pipeline's
 * layout is derived from the code, so that each of them must be used.
 */
export type Program = Parameters<WebGPUBackend['runWebGPUProgram']>[0];

/** Whether arrays are read and written four numbers at a time, which rows of a multiple of four allow. */
export type Width = 1 | 4;

/** WGSL: `fill(0, 3, (i) => …)` of lines, one for each i of [0, count). */
export function repeat(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => line(i)).join('\n');
}

/**
 * WGSL functions that read or write four neighbours in a row of `length` numbers: NAME(row, i) is elements 4i…4i+3,
 * zero beyond the row's end.
 */
export function rowReader(name: string, array: string, length: string, width: Width): string {
  if (width === 4) {
    return `fn ${name}(row : i32, i : i32) -> vec4<f32> { return ${array}[row * (${length} / 4) + i]; }`;
  }
  return `
    fn ${name}(row : i32, i : i32) -> vec4<f32> {
      var values = vec4<f32>(0.0);
      let start = row * ${length} + 4 * i;
      for (var j = 0; j < min(4, ${length} - 4 * i); j++) { values[j] = ${array}[start + j]; }
      return values;
    }`;
}

/** As rowReader: NAME(row, i, values) writes into `result`. */
export function rowWriter(name: string, length: string, width: Width): string {
  if (width === 4) {
    return `fn ${name}(row : i32, i : i32, values : vec4<f32>) { result[row * (${length} / 4) + i] = values; }`;
  }
  return `
    fn ${name}(row : i32, i : i32, values : vec4<f32>) {
      let start = row * ${length} + 4 * i;
      for (var j = 0; j < min(4, ${length} - 4 * i); j++) { result[start + j] = values[j]; }
    }`;
}
