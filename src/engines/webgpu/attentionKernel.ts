import { type ArrayBinding, repeat, type Scalar, shader, widthFor } from './wgsl.js';

/** Where queries, keys and values stand in rows, in numbers. */
export interface AttentionShape {
  readonly heads: number;
  /** Width d of a head. */
  readonly size: number;
  readonly tokens: number;
  readonly queries: number;
  readonly type: Scalar;
  readonly output: Scalar;
  /** Length of a row that queries stand in, rows of an image there (0: the same for all images), and where they begin. */
  readonly query: {
    readonly stride: number;
    readonly imageRows: number;
    readonly offset: number;
    readonly type: Scalar;
  };
  readonly row: { readonly stride: number; readonly key: number; readonly value: number };
  /** Length of a row of the output, if it is more than that of the heads. */
  readonly outputStride?: number;
  /** Whether the logarithm of what softmax divides by is written too, [images, heads, queries]. */
  readonly logs?: boolean;
}

/** Queries of a workgroup, and invocations of each: they share the keys between them. */
export const QUERIES = 32;
const SHARES = 4;
/** Keys at a turn; their workgroup memory, with the values', holds a result of each query at the end. */
const KEYS = QUERIES / 2;
/** Below every score; its exponential is 0. */
const LOWEST = '-3.0e38';

/**
 * softmax(q kᵀ / √d) v without the matrix of scores: keys and values go through workgroup memory some at a turn, and an
 * invocation rescales what it has summed whenever its largest score grows (online softmax, arXiv 1805.02867, in the
 * order of FlashAttention 2, arXiv 2307.08691). Each query has several invocations, each with its share of the keys, whose
 * sums are joined at the end. Workgroups: [queries / 32, heads, images].
 */
export function attentionKernel(shape: AttentionShape): string {
  const { heads, size, tokens, queries, query, row } = shape;
  const parts = Math.ceil(size / 4);
  const { outputStride = heads * size } = shape;
  const width = widthFor(size, query.stride, row.stride, outputStride);
  const q: ArrayBinding = { name: 'q', type: query.type, width };
  const kv: ArrayBinding = { name: 'kv', type: shape.type, width };
  const y: ArrayBinding = { name: 'y', type: shape.output, width, write: true };
  /** Where head `head` of a row begins, and what is read there: numbers 4i … 4i+3 of it. */
  const start = (stride: number, offset: number) => `row * ${stride}u + ${offset}u + head * ${size}u`;
  const read = (name: string, array: ArrayBinding, stride: number, offset: number) => {
    const signature = `fn ${name}(row : u32, head : u32, i : u32) -> vec4<f32>`;
    if (width === 4)
      return `${signature} { return vec4<f32>(${array.name}[(${start(stride, offset)}) / 4u + i]); }`;
    return `${signature} {
  var values = vec4<f32>(0.0);
  let start = ${start(stride, offset)};
  for (var j = 0u; j < 4u; j++) { if (4u * i + j < ${size}u) { values[j] = f32(${array.name}[start + 4u * i + j]); } }
  return values;
}`;
  };
  const write =
    width === 4
      ? `y[(${start(outputStride, 0)}) / 4u + i] = vec4<${y.type}>(values);`
      : `let start = ${start(outputStride, 0)};
  for (var j = 0u; j < 4u; j++) { if (4u * i + j < ${size}u) { y[start + 4u * i + j] = ${y.type}(values[j]); } }`;
  const threads = QUERIES * SHARES;
  const loads = Math.ceil((KEYS * parts) / threads);
  const body = `
${read('queryAt', q, query.stride, query.offset)}
${read('keyAt', kv, row.stride, row.key)}
${read('valueAt', kv, row.stride, row.value)}
fn write(row : u32, head : u32, i : u32, values : vec4<f32>) { ${write} }
var<workgroup> tile : array<vec4<f32>, ${2 * KEYS * parts}>;
var<workgroup> most : array<f32, ${threads}>;
var<workgroup> totals : array<f32, ${threads}>;
@compute @workgroup_size(${threads})
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {
  let own = index % ${QUERIES}u;
  let share = index / ${QUERIES}u;
  let query = group.x * ${QUERIES}u + own;
  let head = group.y;
  let image = group.z;
  let first = image * ${tokens}u;
  let asking = image * ${query.imageRows}u + min(query, ${queries - 1}u);
  ${repeat(parts, (i) => `let q${i} = queryAt(asking, head, ${i}u) * ${1 / Math.sqrt(size)}; var y${i} = vec4<f32>(0.0);`)}
  var largest = ${LOWEST};
  var total = 0.0;
  for (var done = 0u; done < ${tokens}u; done += ${KEYS}u) {
    ${repeat(
      loads,
      (l) => `{
      let at = index + ${l * threads}u;
      let token = done + at / ${parts}u;
      let i = at % ${parts}u;
      if (at < ${KEYS * parts}u && token < ${tokens}u) {
        tile[at] = keyAt(first + token, head, i);
        tile[${KEYS * parts}u + at] = valueAt(first + token, head, i);
      }
    }`,
    )}
    workgroupBarrier();
    let count = min(${KEYS}u, ${tokens}u - done);
    for (var key = share; key < count; key += ${SHARES}u) {
      let at = key * ${parts}u;
      var dots = q0 * tile[at];
      ${repeat(parts - 1, (i) => `dots = fma(q${i + 1}, tile[at + ${i + 1}u], dots);`)}
      let score = (dots.x + dots.y) + (dots.z + dots.w);
      if (score > largest) {
        let shrink = exp(largest - score);
        largest = score;
        total *= shrink;
        ${repeat(parts, (i) => `y${i} *= shrink;`)}
      }
      let weight = exp(score - largest);
      total += weight;
      ${repeat(parts, (i) => `y${i} = fma(vec4<f32>(weight), tile[at + ${KEYS * parts + i}u], y${i});`)}
    }
    workgroupBarrier();
  }
  most[index] = largest;
  totals[index] = total;
  workgroupBarrier();
  var highest = most[own];
  ${repeat(SHARES - 1, (s) => `highest = max(highest, most[own + ${(s + 1) * QUERIES}u]);`)}
  var sum = 0.0;
  ${repeat(SHARES, (s) => `sum += totals[own + ${s * QUERIES}u] * exp(most[own + ${s * QUERIES}u] - highest);`)}
  let part = exp(largest - highest) / sum;
  ${
    shape.logs
      ? `if (share == 0u && query < ${queries}u) { logs[(image * ${heads}u + head) * ${queries}u + query] = highest + log(sum); }`
      : ''
  }
  for (var turn = 0u; turn < ${SHARES}u; turn++) {
    if (turn == share) {
      if (turn == 0u) { ${repeat(parts, (i) => `tile[own * ${parts}u + ${i}u] = y${i} * part;`)} }
      else { ${repeat(parts, (i) => `tile[own * ${parts}u + ${i}u] += y${i} * part;`)} }
    }
    workgroupBarrier();
  }
  for (var i = share; i < ${parts}u; i += ${SHARES}u) {
    if (query < ${queries}u) { write(image * ${queries}u + query, head, i, tile[own * ${parts}u + i]); }
  }
}`;
  const logs: ArrayBinding = { name: 'logs', type: 'f32', width: 1, write: true };
  return shader(shape.logs ? [q, kv, y, logs] : [q, kv, y], body);
}

/** Bytes of workgroup memory that attentionKernel takes for heads of this size. */
export function attentionMemory(size: number): number {
  return (2 * KEYS * Math.ceil(size / 4) * 4 + 2 * QUERIES * SHARES) * 4;
}

/** The layer norms of each head's queries and keys; values as they are. Rows [q, k, v]; sizes: [rows, …]. */
export function headNormKernel(heads: number, size: number, epsilon: number, type: Scalar): string {
  const x: ArrayBinding = { name: 'x', type, width: 1 };
  const weights = ['qGamma', 'qBeta', 'kGamma', 'kBeta'].map(
    (name): ArrayBinding => ({ name, type: 'f32', width: 1 }),
  );
  const y: ArrayBinding = { name: 'y', type, width: 1, write: true };
  const body = `
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group : vec3<u32>, @builtin(local_invocation_index) index : u32) {
  let at = (group.y * 32768u + group.x) * 64u + index;
  if (at >= sizes.x * ${3 * heads}u) { return; }
  let part = (at / ${heads}u) % 3u;
  let start = at * ${size}u;
  if (part == 2u) {
    for (var i = 0u; i < ${size}u; i++) { y[start + i] = x[start + i]; }
    return;
  }
  var mean = 0.0;
  for (var i = 0u; i < ${size}u; i++) { mean += f32(x[start + i]); }
  mean /= ${size}.0;
  var variance = 0.0;
  for (var i = 0u; i < ${size}u; i++) { let e = f32(x[start + i]) - mean; variance = fma(e, e, variance); }
  let scale = 1.0 / sqrt(variance / ${size}.0 + ${epsilon.toExponential()});
  for (var i = 0u; i < ${size}u; i++) {
    let gamma = select(kGamma[i], qGamma[i], part == 0u);
    let beta = select(kBeta[i], qBeta[i], part == 0u);
    y[start + i] = ${type}((f32(x[start + i]) - mean) * scale * gamma + beta);
  }
}`;
  return shader([x, ...weights, y], body);
}
