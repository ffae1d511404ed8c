/** Turns the recorded steps of training, which are those of the WASM engine, into kernels of the GPU. */
import type { Activation } from '../../../ops/interface.js';
import { ACTIVATIONS } from '../../wasm/record.js';
import { type Operand, type RecordedStep, Untrainable } from '../../wasm/training/record.js';
import { type OpName, TRANSPOSED } from '../../wasm/training/steps.js';
import { attentionKernel, QUERIES } from '../attentionKernel.js';
import { attentionGradientStep, hasAttentionGradient } from './attentionKernels.js';
import { type KernelStep, numbersOf, rowsOf, type Use } from './kernel.js';
import { layerNormStep, normGradientStep } from './normKernels.js';
import { addPartsStep, divideGradient, gradientPartsStep, partWidth, productStep } from './productKernels.js';
import {
  CHUNK,
  meanStep,
  moveStep,
  patchesStep,
  scaleGradientStep,
  slopeStep,
  sumImagesStep,
  sumRowsStep,
  swigluGradientStep,
  swigluStep,
} from './rowKernels.js';
import { offsetIn, placeOf, rootOf } from './space.js';

/** What a recording has to know of this engine's kernels: rows are filled up to nothing. */
export const SHAPE = { rows: 1, chunk: CHUNK } as const;

const ACTIVATION_NAMES = Object.fromEntries(
  Object.entries(ACTIVATIONS).map(([name, number]) => [number, name]),
) as Readonly<Record<number, Activation>>;

/** What attention leaves for its gradient. */
interface Attended {
  readonly out: Operand;
  readonly logs: Operand;
  readonly dots: Operand;
}

/** What the emitters of steps share. */
interface Context {
  readonly batch: number;
  /** By the rows of queries, keys and values. */
  readonly attended: Map<Operand, Attended>;
}

type Emit = (step: RecordedStep, context: Context) => KernelStep[];

/** @param batch images of the recording */
export function emit(programs: readonly (readonly RecordedStep[])[], batch: number): KernelStep[][] {
  const context: Context = { batch, attended: new Map() };
  return programs.map((steps) =>
    joinSlopes(steps).flatMap((step) => {
      const emitStep = EMITTERS[step.op];
      if (!emitStep) throw new Untrainable(`${step.op}, which the GPU's engine has no kernel of`);
      return emitStep(step, context);
    }),
  );
}

/** A product whose result only an activation's slope is multiplied with. */
interface Joined extends RecordedStep {
  readonly slope?: { readonly z: Operand; readonly activation: number };
}

/** Puts slopes into the products before them, which saves a way to memory and back. */
function joinSlopes(steps: readonly RecordedStep[]): Joined[] {
  const readers = new Map<Operand, number>();
  for (const { reads } of steps) {
    for (const operand of Object.values(reads)) {
      readers.set(rootOf(operand), (readers.get(rootOf(operand)) ?? 0) + 1);
    }
  }
  const joined: Joined[] = [];
  for (const step of steps) {
    const last = joined.at(-1);
    const dy = step.reads.b;
    const fits = step.op === 'slope' && last?.op === 'product' && last.writes.y === dy && !last.writes.sums;
    if (!fits || last.reads.residual || readers.get(dy!) !== 1) {
      joined.push(step);
      continue;
    }
    const slope = { z: step.reads.z!, activation: step.fields.activation! };
    joined[joined.length - 1] = { ...last, writes: step.writes, slope };
  }
  return joined;
}

function use(operand: Operand, length: number, write = false): Use {
  return rowsOf(operand, length, offsetIn(operand), write);
}

const optional = (operand: Operand | undefined, length: number, write = false) =>
  operand && use(operand, length, write);

/** A weight [length] by its address; undefined for zeros and for nothing. */
function vector(address: number | undefined, length: number): Use | undefined {
  if (!address || !placeOf(address)) return undefined;
  return use({ bytes: length * 4, stride: length * 4, address }, length);
}

/** Memory of this engine's own. */
function slot(numbers: number, stride = 4): Operand {
  return { bytes: numbers * 4, stride };
}

const product: Emit = (step: Joined) => {
  const { reads, writes, fields, slope } = step;
  if (fields.aKind === TRANSPOSED) return matrixGradient(step);
  const { m, n, k } = fields as { m: number; n: number; k: number };
  const rightTransposed = fields.bKind === TRANSPOSED;
  const shape = {
    m,
    n,
    k,
    rightTransposed,
    activation: fields.activation ? ACTIVATION_NAMES[fields.activation] : undefined,
    slope: slope && ACTIVATION_NAMES[slope.activation],
    imageRows: fields.imageRows ?? 1,
  };
  const uses = {
    left: use(reads.a!, k),
    right: use(reads.b!, rightTransposed ? k : n),
    bias: vector(fields.bias, n),
    scale: vector(fields.scale, n),
    factors: reads.factors && numbersOf(use(reads.factors, 1)),
    residual: optional(reads.residual, n),
    before: optional(slope?.z, n),
    z: optional(writes.z, n, true),
    y: use(writes.y!, n, true),
  };
  return [productStep(uses, shape)];
};

function matrixGradient({ reads, writes, fields }: RecordedStep): KernelStep[] {
  const shape = { m: fields.m!, n: fields.n!, k: fields.k! };
  const { m, n } = shape;
  const width = partWidth(n);
  const parts = slot(divideGradient(shape).parts * (m + 1) * width, width * 4);
  const uses = { left: use(reads.a!, m), right: use(reads.b!, n), y: use(parts, width, true) };
  const sums = optional(writes.sums, n, true);
  const added = { x: use(parts, width), y: use(writes.y!, n, true), sums };
  return [gradientPartsStep(uses, shape, sums !== undefined), addPartsStep(added, shape)];
}

function attentionFields({ fields }: RecordedStep) {
  const { p0: heads, p1: size, p2: tokens, p3: width, p5: queries } = fields;
  return { heads: heads!, size: size!, tokens: tokens!, width: width!, queries: queries! };
}

const attend: Emit = (step, { batch, attended }) => {
  const { heads, size, tokens, width, queries } = attentionFields(step);
  if (!hasAttentionGradient(size)) throw new Untrainable(`heads of ${size} numbers`);
  const [qkv, out] = [step.reads.a!, step.writes.y!];
  const stride = qkv.stride / 4;
  const shape = {
    heads,
    size,
    tokens,
    queries,
    type: 'f32',
    output: 'f32',
    outputStride: out.stride / 4,
    query: { stride, imageRows: tokens, offset: 0, type: 'f32' },
    row: { stride, key: width, value: 2 * width },
    logs: true,
  } as const;
  const count = batch * heads * queries;
  const logs = slot(count);
  attended.set(qkv, { out, logs, dots: slot(count) });
  const rows = use(qkv, 3 * width);
  const uses = [rows, rows, use(out, width, true), use(logs, 1, true)];
  const grid = [Math.ceil(queries / QUERIES), heads, batch] as const;
  return [{ code: attentionKernel(shape), uses, words: new Uint32Array(), grid, headSize: size }];
};

const attendGradient: Emit = (step, { batch, attended }) => {
  const { heads, size, tokens, width, queries } = attentionFields(step);
  const qkv = step.reads.a!;
  const { out, logs, dots } = attended.get(qkv)!;
  const uses = {
    qkv: use(qkv, 3 * width),
    out: use(out, width),
    dy: use(step.reads.b!, width),
    logs: use(logs, 1),
    dots: use(dots, 1),
    y: use(step.writes.y!, 3 * width, true),
  };
  const shape = { batch, heads, size, tokens, queries };
  return [attentionGradientStep(uses, shape, 'queries'), attentionGradientStep(uses, shape, 'keys')];
};

function normShape({ fields }: RecordedStep) {
  return { m: fields.m!, n: fields.n!, inner: fields.p0!, epsilon: fields.epsilon! };
}

const EMITTERS: Partial<Record<OpName, Emit>> = {
  product,
  attend,
  attendGradient,
  layerNorm(step) {
    const { n } = normShape(step);
    const { gamma, beta } = step.fields;
    const weights = { gamma: vector(gamma, n)!, beta: vector(beta, n)! };
    const uses = { x: use(step.reads.a!, n), ...weights, y: use(step.writes.y!, n, true) };
    return [layerNormStep(uses, normShape(step))];
  },
  layerNormGradient(step) {
    const { reads, writes, fields } = step;
    const { n } = normShape(step);
    const uses = {
      x: use(reads.a!, n),
      dy: use(reads.b!, n),
      gamma: vector(fields.gamma, n)!,
      residual: optional(reads.residual, n),
      y: optional(writes.y, n, true),
      sums: optional(writes.sums, n, true),
    };
    return [normGradientStep(uses, normShape(step))];
  },
  scaleGradient({ reads, writes, fields }) {
    const n = fields.n!;
    const uses = {
      dy: use(reads.b!, n),
      scale: vector(fields.scale, n),
      factors: reads.factors && numbersOf(use(reads.factors, 1)),
      z: optional(reads.z, n),
      y: use(writes.y!, n, true),
      sums: optional(writes.sums, n, true),
    };
    return [scaleGradientStep(uses, { m: fields.m!, n, imageRows: fields.imageRows! })];
  },
  reduce({ reads, writes, fields }) {
    const n = fields.n!;
    return [sumRowsStep(use(reads.a!, n), use(writes.y!, n, true), fields.k!, n)];
  },
  patches({ reads, writes, fields }) {
    const { p0, p1, p2, p3, p4, m } = fields;
    const shape = { m: m!, lines: p0!, line: p1!, down: p2!, across: p3!, image: p4! / 4 };
    return [patchesStep(use(reads.a!, 1), use(writes.y!, 1, true), shape)];
  },
  moveRows({ reads, writes, fields, units }) {
    const n = fields.n!;
    const uses = {
      x: use(reads.a!, n),
      added: optional(reads.b, n),
      residual: optional(reads.residual, n),
      y: use(writes.y!, n, true),
    };
    const shape = {
      rows: units,
      imageRows: fields.imageRows!,
      n,
      factor: fields.epsilon!,
      xRows: fields.p0!,
      xFirst: fields.p1!,
      xStep: fields.p2!,
      yRows: fields.p3!,
      yFirst: fields.p4!,
      first: fields.p5!,
      last: fields.p6!,
    };
    return [moveStep(uses, shape)];
  },
  sumImages({ reads, writes, fields, units }) {
    const n = fields.n!;
    const shape = { rows: units, m: fields.m!, n, first: fields.p1!, xRows: fields.p2! };
    return [sumImagesStep(use(reads.a!, n), use(writes.y!, n, true), shape)];
  },
  meanRows({ reads, writes, fields, units }) {
    const n = fields.n!;
    const shape = { m: units, n, first: fields.p0!, last: fields.p1!, xRows: fields.p2! };
    return [meanStep(use(reads.a!, n), use(writes.y!, n, true), shape)];
  },
  slope({ reads, writes, fields, units }) {
    const n = fields.n!;
    const uses = { dy: use(reads.b!, n), z: use(reads.z!, n), y: use(writes.y!, n, true) };
    return [slopeStep(uses, { m: units, n, activation: ACTIVATION_NAMES[fields.activation!]! })];
  },
  swiglu({ reads, writes, fields, units }) {
    return [swigluStep(use(reads.a!, 1), use(writes.y!, 1, true), units, fields.n!)];
  },
  swigluGradient({ reads, writes, fields, units }) {
    return [
      swigluGradientStep(use(reads.a!, 1), use(reads.b!, 1), use(writes.y!, 1, true), units, fields.n!),
    ];
  },
};
