import { type Program, rowReader, rowWriter, type Width } from './program.js';

/** Invocations that share a row. */
const GROUP = 64;

/** Layer normalisation of x [m, d]: a workgroup a row, two passes over it as the variance is of centred values. */
export function layerNormProgram(m: number, d: number, width: Width): Program {
  const code = `
    var<workgroup> sums : array<f32, ${GROUP}>;
    var<workgroup> squares : array<f32, ${GROUP}>;
    ${rowReader('xAt', 'x', 'uniforms.d', width)}
    ${rowReader('gammaAt', 'gamma', 'uniforms.d', width)}
    ${rowReader('betaAt', 'beta', 'uniforms.d', width)}
    ${rowWriter('write', 'uniforms.d', width)}
    fn centred(row : i32, i : i32, mean : f32) -> vec4<f32> {
      let past = vec4<i32>(4 * i) + vec4<i32>(0, 1, 2, 3) >= vec4<i32>(uniforms.d);
      return select(xAt(row, i) - mean, vec4<f32>(0.0), past);
    }
    fn main(index : i32) {
      let row = min(index / ${GROUP}, uniforms.m - 1);
      let own = i32(localIndex);
      let steps = (uniforms.d + 3) / 4;
      var sum = vec4<f32>(0.0);
      for (var i = own; i < steps; i += ${GROUP}) { sum += xAt(row, i); }
      sums[own] = sum.x + sum.y + sum.z + sum.w;
      workgroupBarrier();
      var mean = 0.0;
      for (var i = 0; i < ${GROUP}; i++) { mean += sums[i]; }
      mean /= f32(uniforms.d);
      var square = vec4<f32>(0.0);
      for (var i = own; i < steps; i += ${GROUP}) {
        let difference = centred(row, i, mean);
        square = fma(difference, difference, square);
      }
      squares[own] = square.x + square.y + square.z + square.w;
      workgroupBarrier();
      var variance = 0.0;
      for (var i = 0; i < ${GROUP}; i++) { variance += squares[i]; }
      let scale = 1.0 / sqrt(variance / f32(uniforms.d) + uniforms.epsilon);
      if (index / ${GROUP} >= uniforms.m) { return; }
      for (var i = own; i < steps; i += ${GROUP}) {
        write(row, i, centred(row, i, mean) * scale * gammaAt(0, i) + betaAt(0, i));
      }
    }`;
  return {
    outputShape: [m, d],
    outputComponent: width,
    variableNames: ['x', 'gamma', 'beta'],
    variableComponents: [width, width, width],
    uniforms: 'm : i32, d : i32, epsilon : f32,',
    dispatchLayout: { x: [0, 1] },
    dispatch: [m, 1, 1],
    workgroupSize: [GROUP, 1, 1],
    shaderKey: `deitLayerNorm_${width}`,
    getUserCode: () => code,
  };
}
