import { half, type Program, packedProgram, type Texture, texelReader } from './program.js';

/** The columns of a texel that exist, as factors: both, or the first alone at the end of an odd row. */
function columnMask(d: number): string {
  return d % 2 === 0 ? '' : ` * (2 * i + 1 < ${d} ? vec4(1.0) : vec4(1.0, 0.0, 1.0, 0.0))`;
}

/** Mean and 1 / √(variance + epsilon) of each row of x [m, d]: [m, 2]. */
export function rowStatisticsProgram(m: number, d: number, epsilon: number, x: Texture): Program {
  return packedProgram(
    ['x'],
    [m, 2],
    `
    ${texelReader('x', x)}
    void main() {
      int row = getOutputCoords().x / 2;
      vec4 sum = vec4(0.0);
      for (int i = 0; i < ${half(d)}; i++) sum += xAt(row, i)${columnMask(d)};
      vec2 mean = (sum.xz + sum.yw) / ${d}.0;
      vec4 squares = vec4(0.0);
      for (int i = 0; i < ${half(d)}; i++) {
        vec4 difference = (xAt(row, i) - mean.xxyy)${columnMask(d)};
        squares += difference * difference;
      }
      vec2 variance = (squares.xz + squares.yw) / ${d}.0;
      vec2 scale = 1.0 / sqrt(variance + ${epsilon.toExponential()});
      setOutput(vec4(mean.x, scale.x, mean.y, scale.y));
    }`,
  );
}

/** (x - mean) · scale · gamma + beta, with the statistics of rowStatisticsProgram. */
export function normalizeProgram(m: number, d: number, textures: Record<string, Texture>): Program {
  return packedProgram(
    ['x', 'statistics', 'gamma', 'beta'],
    [m, d],
    `
    ${['x', 'statistics', 'gamma', 'beta'].map((name) => texelReader(name, textures[name]!)).join('\n')}
    void main() {
      ivec2 place = getOutputCoords() / 2;
      vec4 statistics = statisticsAt(place.x, 0);
      vec4 normal = (xAt(place.x, place.y) - statistics.xxzz) * statistics.yyww;
      setOutput(normal * gammaAt(0, place.y).xyxy + betaAt(0, place.y).xyxy);
    }`,
  );
}
