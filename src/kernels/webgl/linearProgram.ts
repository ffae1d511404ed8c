import { type Program, packedProgram, type Texture, texelReader, unrolledLoop } from './program.js';

export interface LinearShape {
  m: number;
  k: number;
  n: number;
  /** Which of bias and scale, [n], and residual, [m, n], there are, in that order. */
  operands: readonly ('bias' | 'scale' | 'residual')[];
  gelu: boolean;
}

/** y [m, n] = gelu(x [m, k] · kernel [k, n] + bias) * scale + residual in one pass. */
export function linearProgram(
  { m, k, n, operands, gelu }: LinearShape,
  textures: Record<string, Texture>,
): Program {
  const has = (operand: LinearShape['operands'][number]) => operands.includes(operand);
  const whole = Math.floor(k / 2);
  return packedProgram(
    ['x', 'kernel', ...operands],
    [m, n],
    `
    ${['x', 'kernel', ...operands].map((name) => texelReader(name, textures[name]!)).join('\n')}
    ${gelu ? GELU : ''}
    void main() {
      ivec2 place = getOutputCoords() / 2;
      int row = place.x;
      int column = place.y;
      vec4 y = vec4(0.0);
      vec4 a;
      vec4 b;
      ${unrolledLoop(
        whole,
        (i) => `
        a = xAt(row, ${i});
        b = kernelAt(${i}, column);
        y += a.xxzz * b.xyxy + a.yyww * b.zwzw;`,
      )}
      ${k % 2 === 1 ? `y += xAt(row, ${whole}).xxzz * kernelAt(${whole}, column).xyxy;` : ''}
      ${has('bias') ? 'y += biasAt(0, column).xyxy;' : ''}
      ${gelu ? 'y = gelu(y);' : ''}
      ${has('scale') ? 'y *= scaleAt(0, column).xyxy;' : ''}
      ${has('residual') ? 'y += residualAt(row, column);' : ''}
      setOutput(y);
    }`,
  );
}

/** x · Φ(x), with erfc by Abramowitz and Stegun 7.1.26 (absolute error 1.5e-7). */
const GELU = `
    vec4 gelu(vec4 x) {
      vec4 z = abs(x) * 0.7071067811865476;
      vec4 t = 1.0 / (1.0 + 0.3275911 * z);
      vec4 series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
      vec4 tail = 0.5 * series * exp(-z * z);
      return x * mix(tail, 1.0 - tail, vec4(greaterThanEqual(x, vec4(0.0))));
    }`;
