/** The gradient of attention: scores are made again, some at a turn, as in FlashAttention 2 (arXiv 2307.08691). */
import { repeat, widthFor } from '../wgsl.js';
import { type KernelStep, kernelStep, rowReader, rowWriter, type Use } from './kernel.js';

export interface AttentionGradientShape {
  readonly batch: number;
  readonly heads: number;
  /** Width of a head. */
  readonly size: number;
  readonly tokens: number;
  /** The first tokens of an image, which ask. */
  readonly queries: number;
}

export interface AttentionGradientUses {
  /** Rows of [queries, keys, values], batch · tokens of them. */
  readonly qkv: Use;
  /** What attention gave, and the gradient of it: batch · queries rows. */
  readonly out: Use;
  readonly dy: Use;
  /** [batch, heads, queries]: logarithms of the sums that softmax divided by. */
  readonly logs: Use;
  /** [batch, heads, queries]: dy · out, written by the gradient of the queries and read by that of keys and values. */
  readonly dots: Use;
  /** As qkv. */
  readonly y: Use;
}

/** Rows of a workgroup, and invocations of each: they share a head's numbers between them. */
const OWN = 32;
const SHARES = 4;
const THREADS = OWN * SHARES;
/** Workgroup memory that every device has. */
const MEMORY = 16_384;

function memoryFor(size: number, turn: number): number {
  return 2 * turn * Math.ceil(size / 4) * 16 + turn * THREADS * 8 + 4 * OWN;
}

/** Rows at a turn, or undefined for heads that are too wide. */
function turnFor(size: number): number | undefined {
  return [8, 4, 2].find((turn) => memoryFor(size, turn) <= MEMORY);
}

export function hasAttentionGradient(size: number): boolean {
  return turnFor(size) !== undefined;
}

/**
 * The gradient by queries, or by keys and values. A workgroup has 32 of these rows of a head in registers (a query with
 * its gradient, or a key with its value) while those of the other kind go through workgroup memory: s = q · k, d = dy · v,
 * P = exp(s / √size − logs), dS = P (d − dots) / √size; then dq += dS k, dk += dS q, dv += P dy. Workgroups:
 * [rows / 32, heads, images]. Tokens that ask nothing have queries whose gradient is zero.
 */
export function attentionGradientStep(
  uses: AttentionGradientUses,
  shape: AttentionGradientShape,
  of: 'queries' | 'keys',
): KernelStep {
  const { batch, heads, size, tokens, queries } = shape;
  const turn = turnFor(size)!;
  const parts = Math.ceil(size / 4);
  const each = Math.ceil(parts / SHARES);
  const ofQueries = of === 'queries';
  const [ownCount, otherCount] = ofQueries ? [queries, tokens] : [tokens, queries];
  const width = widthFor(size);
  // A head's numbers are columns of a row: read and written in one width.
  const narrow = (use: Use): Use => (use.width > width ? { ...use, width } : use);
  const { qkv, out, dy, y } = {
    qkv: narrow(uses.qkv),
    out: narrow(uses.out),
    dy: narrow(uses.dy),
    y: narrow(uses.y),
  };
  /** Where head `head` begins in a row, `column` numbers into it. */
  const start = (name: string, use: Use, column: number) =>
    `p.${name}Base + row * p.${name}Stride + (${column}u + head * ${size}u)${use.width === 4 ? ' / 4u' : ''}`;
  const reader = (name: string, as: string, use: Use, column: number) =>
    rowReader(name, use, `${size}u`, start(name, use, column)).replace(
      `fn ${name}At(row`,
      `fn ${as}At(head : u32, row`,
    );
  const writer = (as: string, column: number) =>
    rowWriter('y', y, `${size}u`, false, start('y', y, column)).replace(
      'fn yWrite(row',
      `fn ${as}Write(head : u32, row`,
    );
  const width3 = heads * size;
  const quad = (j: number) => `(share + ${j * SHARES}u)`;
  const inHead = (j: number) => (parts % SHARES === 0 ? 'true' : `${quad(j)} < ${parts}u`);
  // Numbers beyond a head's are zero in what an invocation has of its own row.
  const clamped = (j: number) => (parts % SHARES === 0 ? quad(j) : `min(${quad(j)}, ${parts - 1}u)`);
  const sides = ofQueries
    ? { own: ['query', 'dy'], other: ['key', 'value'] }
    : { own: ['key', 'value'], other: ['query', 'dy'] };
  const rowOf = (name: string, row: string) =>
    name === 'dy' ? `image * ${queries}u + ${row}` : `image * ${tokens}u + ${row}`;
  const [own1, own2] = sides.own as [string, string];
  const [other1, other2] = sides.other as [string, string];
  const statistics = (row: string) => `(image * ${heads}u + head) * ${queries}u + ${row}`;
  const body = `
${reader('qkv', 'query', qkv, 0)}
${reader('qkv', 'key', qkv, width3)}
${reader('qkv', 'value', qkv, 2 * width3)}
${reader('dy', 'dy', dy, 0)}
${ofQueries ? reader('out', 'out', out, 0) : ''}
${ofQueries ? writer('query', 0) : writer('key', width3) + writer('value', 2 * width3)}
var<workgroup> firsts : array<vec4<f32>, ${turn * parts}>;
var<workgroup> seconds : array<vec4<f32>, ${turn * parts}>;
var<workgroup> pairs : array<vec2<f32>, ${turn * THREADS}>;
${ofQueries ? `var<workgroup> ownDots : array<f32, ${OWN}>;` : ''}
fn sumOf(x : vec4<f32>) -> f32 { return (x.x + x.y) + (x.z + x.w); }
@compute @workgroup_size(${THREADS})
fn main(@builtin(local_invocation_index) index : u32, @builtin(workgroup_id) group : vec3<u32>) {
  let own = index % ${OWN}u;
  let share = index / ${OWN}u;
  let given = group.x * ${OWN}u + own;
  let head = group.y;
  let image = group.z;
  let row = min(given, ${ownCount - 1}u);
  ${repeat(
    each,
    (j) => `
  var a${j} = vec4<f32>(0.0); var b${j} = vec4<f32>(0.0); var ya${j} = vec4<f32>(0.0); var yb${j} = vec4<f32>(0.0);
  if (${inHead(j)}) {
    a${j} = ${own1}At(head, ${rowOf(own1, 'row')}, ${quad(j)});
    b${j} = ${own2}At(head, ${rowOf(own2, 'row')}, ${quad(j)});
  }`,
  )}
  ${
    ofQueries
      ? `
  var dotsOfShare = vec4<f32>(0.0);
  ${repeat(each, (j) => `if (${inHead(j)}) { dotsOfShare = fma(b${j}, outAt(head, ${rowOf('dy', 'row')}, ${quad(j)}), dotsOfShare); }`)}
  pairs[index] = vec2<f32>(sumOf(dotsOfShare), 0.0);
  workgroupBarrier();
  if (index < ${OWN}u) {
    let sum = (pairs[index].x + pairs[index + ${OWN}u].x) + (pairs[index + ${2 * OWN}u].x + pairs[index + ${3 * OWN}u].x);
    ownDots[index] = sum;
    if (given < ${queries}u) { dots[p.dotsBase + ${statistics('given')}] = sum; }
  }
  workgroupBarrier();`
      : ''
  }
  for (var done = 0u; done < ${otherCount}u; done += ${turn}u) {
    for (var at = index; at < ${turn * parts}u; at += ${THREADS}u) {
      let other = min(done + at / ${parts}u, ${otherCount - 1}u);
      firsts[at] = ${other1}At(head, ${rowOf(other1, 'other')}, at % ${parts}u);
      seconds[at] = ${other2}At(head, ${rowOf(other2, 'other')}, at % ${parts}u);
    }
    workgroupBarrier();
    for (var t = 0u; t < ${turn}u; t++) {
      var s = vec4<f32>(0.0);
      var d = vec4<f32>(0.0);
      ${repeat(each, (j) => `s = fma(a${j}, firsts[t * ${parts}u + ${clamped(j)}], s); d = fma(b${j}, seconds[t * ${parts}u + ${clamped(j)}], d);`)}
      pairs[t * ${THREADS}u + index] = vec2<f32>(sumOf(s), sumOf(d));
    }
    workgroupBarrier();
    for (var pair = index; pair < ${turn * OWN}u; pair += ${THREADS}u) {
      let column = pair % ${OWN}u;
      let first = pair / ${OWN}u * ${THREADS}u + column;
      let both = (pairs[first] + pairs[first + ${OWN}u]) + (pairs[first + ${2 * OWN}u] + pairs[first + ${3 * OWN}u]);
      let other = done + pair / ${OWN}u;
      let asked = ${ofQueries ? `group.x * ${OWN}u + column` : 'other'};
      let there = other < ${otherCount}u && asked < ${queries}u;
      let at = ${statistics(`min(asked, ${queries - 1}u)`)};
      let weight = select(0.0, exp(both.x * ${1 / Math.sqrt(size)} - logs[p.logsBase + at]), there);
      let dot = ${ofQueries ? 'ownDots[column]' : 'dots[p.dotsBase + at]'};
      pairs[first] = vec2<f32>(weight, weight * (both.y - dot) * ${1 / Math.sqrt(size)});
    }
    workgroupBarrier();
    for (var t = 0u; t < ${turn}u; t++) {
      let both = pairs[t * ${THREADS}u + own];
      ${repeat(each, (j) => `ya${j} = fma(vec4<f32>(both.y), firsts[t * ${parts}u + ${clamped(j)}], ya${j});`)}
      ${ofQueries ? '' : repeat(each, (j) => `yb${j} = fma(vec4<f32>(both.x), seconds[t * ${parts}u + ${clamped(j)}], yb${j});`)}
    }
    workgroupBarrier();
  }
  if (given >= ${tokens}u) { return; }
  ${repeat(
    each,
    (j) => `
  if (${inHead(j)}) {
    ${own1}Write(head, image * ${tokens}u + given, ${quad(j)}, ya${j});
    ${ofQueries ? '' : `valueWrite(head, image * ${tokens}u + given, ${quad(j)}, yb${j});`}
  }`,
  )}
}`;
  const { logs, dots } = uses;
  const given = ofQueries
    ? { qkv, dy, out, logs, dots: { ...dots, write: true }, y }
    : { qkv, dy, logs, dots, y };
  return kernelStep(given, {}, body, [Math.ceil(tokens / OWN), heads, batch]);
}
