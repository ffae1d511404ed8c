import { type Program, repeat, type Width } from './program.js';

/** Queries of a workgroup. */
const GROUP = 32;
/** Below every score; its exponential is 0. */
const LOWEST = '-3.0e38';

/**
 * softmax(q kᵀ / √d) v without the matrix of scores: an invocation a query, which goes through the keys four at a
 * time and rescales what it has summed whenever the largest score grows (online softmax, arXiv 1805.02867; the order
 * of FlashAttention, arXiv 2205.14135). Queries, keys and values are read where the projection left them.
 */
export function attentionProgram(
  batch: number,
  tokens: number,
  heads: number,
  headSize: number,
  width: Width,
): Program {
  const parts = Math.ceil(headSize / 4);
  const code = `
    ${qkvReader(headSize, width)}
    ${headWriter(headSize, width)}
    fn main() {
      let query = i32(globalId.x);
      let head = i32(globalId.y);
      let first = i32(globalId.z) * uniforms.tokens;
      if (query >= uniforms.tokens) { return; }
      let scale = 1.0 / sqrt(${headSize}.0);
      ${repeat(parts, (i) => `let q${i} = qkvAt(first + query, 0, head, ${i}) * scale; var y${i} = vec4<f32>(0.0);`)}
      var largest = ${LOWEST};
      var total = 0.0;
      for (var key = 0; key < uniforms.tokens; key += 4) {
        let last = uniforms.tokens - 1;
        ${repeat(4, (j) => `let t${j} = first + min(key + ${j}, last); var s${j} = 0.0;`)}
        ${repeat(4, (j) => repeat(parts, (i) => `s${j} += dot(q${i}, qkvAt(t${j}, 1, head, ${i}));`))}
        let past = vec4<i32>(key) + vec4<i32>(0, 1, 2, 3) > vec4<i32>(last);
        let scores = select(vec4<f32>(s0, s1, s2, s3), vec4<f32>(${LOWEST}), past);
        let most = max(largest, max(max(scores.x, scores.y), max(scores.z, scores.w)));
        let weights = select(exp(scores - most), vec4<f32>(0.0), past);
        let shrink = exp(largest - most);
        largest = most;
        total = total * shrink + weights.x + weights.y + weights.z + weights.w;
        ${repeat(parts, (i) => `y${i} *= shrink;`)}
        ${repeat(parts, (i) =>
          repeat(4, (j) => `y${i} = fma(vec4<f32>(weights[${j}]), qkvAt(t${j}, 2, head, ${i}), y${i});`),
        )}
      }
      ${repeat(parts, (i) => `write(first + query, head, ${i}, y${i} / total);`)}
    }`;
  return {
    outputShape: [batch, tokens, heads * headSize],
    outputComponent: width,
    variableNames: ['qkv'],
    variableComponents: [width],
    uniforms: 'tokens : i32, heads : i32,',
    dispatchLayout: { x: [1], y: [2], z: [0] },
    dispatch: [Math.ceil(tokens / GROUP), heads, batch],
    workgroupSize: [GROUP, 1, 1],
    shaderKey: `deitAttention_${headSize}_${width}`,
    getUserCode: () => code,
  };
}

/** qkvAt(token, part, head, i): numbers 4i…4i+3 of a query (part 0), key (1) or value (2), zero past the head's end. */
function qkvReader(headSize: number, width: Width): string {
  const start = `((token * 3 + part) * uniforms.heads + head) * ${headSize} + 4 * i`;
  if (width === 4) {
    return `fn qkvAt(token : i32, part : i32, head : i32, i : i32) -> vec4<f32> { return qkv[(${start}) / 4]; }`;
  }
  return `
    fn qkvAt(token : i32, part : i32, head : i32, i : i32) -> vec4<f32> {
      var values = vec4<f32>(0.0);
      for (var j = 0; j < min(4, ${headSize} - 4 * i); j++) { values[j] = qkv[${start} + j]; }
      return values;
    }`;
}

function headWriter(headSize: number, width: Width): string {
  const start = `(token * uniforms.heads + head) * ${headSize} + 4 * i`;
  if (width === 4) {
    return `fn write(token : i32, head : i32, i : i32, values : vec4<f32>) { result[(${start}) / 4] = values; }`;
  }
  return `
    fn write(token : i32, head : i32, i : i32, values : vec4<f32>) {
      for (var j = 0; j < min(4, ${headSize} - 4 * i); j++) { result[${start} + j] = values[j]; }
    }`;
}
