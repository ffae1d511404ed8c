/** What lies where in the training engine's memory, before the programs. */
import { aligned } from '../allocate.js';
import { CONTROL, CONTROL_BYTES } from '../control.js';
import type { Operand, Places, RecordedStep } from './record.js';
import { BUFFERS, type BufferName, type Chunk, type TrainingRow, WeightSpace } from './weightSpace.js';

/** Words of an optimiser's chunk (assembly/optimizer.ts). */
const CHUNK_WORDS = 4;

/** The numbers of an AdamW step in the order of assembly/optimizer.ts. */
export interface AdamWNumbers {
  readonly learningRate: number;
  /** What gradients are multiplied by: below 1 where their norm is clipped. */
  readonly clip: number;
  readonly beta1: number;
  readonly beta2: number;
  /** 1 − beta1^count, and the root of 1 − beta2^count. */
  readonly meanCorrection: number;
  readonly squareCorrection: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly emaDecay: number;
}

export interface TrainingSpace {
  readonly places: Places;
  /** Address of each buffer that there is. */
  readonly buffers: Readonly<Partial<Record<BufferName, number>>>;
  /** The first address past all this. */
  readonly end: number;
}

/** @param ema whether there is a running mean; undefined where nothing is trained: weights alone */
export function laySpace(table: readonly TrainingRow[], ema: boolean | undefined): TrainingSpace {
  const space = new WeightSpace(table);
  let next = aligned(CONTROL + CONTROL_BYTES);
  const take = (bytes: number) => {
    const at = next;
    next = aligned(next + bytes);
    return at;
  };
  const names = BUFFERS.filter((name) => (ema === undefined ? name === 'weights' : ema || name !== 'ema'));
  const buffers = Object.fromEntries(names.map((name) => [name, take(space.bytes)])) as Partial<
    Record<BufferName, number>
  >;
  // A tile's width more: the last tile of a row reads past its end.
  const zeros = take((space.longest + 16) * 4);
  const accumulate = take(4);
  const places = { space, weights: buffers.weights!, gradients: buffers.gradients ?? 0, zeros, accumulate };
  return { places, buffers, end: next };
}

/** The optimiser's steps, and what they read. */
export interface OptimizerSteps {
  readonly squares: RecordedStep;
  readonly update: RecordedStep;
  readonly chunks: readonly Chunk[];
  /** Addresses of the chunks' table, of the sums of their squares, and of the numbers of a step. */
  readonly table: number;
  readonly sums: number;
  readonly numbers: number;
  readonly end: number;
}

export function optimizerSteps(
  { places, buffers, end }: TrainingSpace,
  reached: ReadonlySet<string>,
): OptimizerSteps {
  const chunks = places.space.chunks(reached);
  const table = end;
  const sums = aligned(table + chunks.length * CHUNK_WORDS * 4);
  const numbers = aligned(sums + chunks.length * 4);
  const at = (address: number): Operand => ({ bytes: places.space.bytes, stride: 0, address });
  const squares: RecordedStep = {
    op: 'squares',
    units: chunks.length,
    reads: { a: at(places.gradients) },
    writes: { y: at(sums) },
    fields: { p0: table },
  };
  const update: RecordedStep = {
    op: 'adamW',
    units: chunks.length,
    reads: { b: at(places.gradients) },
    writes: {
      a: at(places.weights),
      y: at(buffers.mean!),
      z: at(buffers.square!),
      ...(buffers.ema === undefined ? {} : { residual: at(buffers.ema) }),
    },
    fields: { p0: table, p1: numbers },
  };
  return { squares, update, chunks, table, sums, numbers, end: aligned(numbers + 64) };
}

/** The chunks' table for a rate of decay. */
export function chunkTable(chunks: readonly Chunk[], weightDecay: number): Int32Array {
  const words = new Int32Array(chunks.length * CHUNK_WORDS);
  const floats = new Float32Array(words.buffer);
  for (const [i, { offset, count, decays }] of chunks.entries()) {
    words.set([offset, count], i * CHUNK_WORDS);
    floats[i * CHUNK_WORDS + 2] = decays ? weightDecay : 0;
  }
  return words;
}

export function adamWNumbers(given: AdamWNumbers): Float32Array {
  const { learningRate, clip, beta1, beta2, meanCorrection, squareCorrection, eps, emaDecay } = given;
  return Float32Array.of(
    learningRate,
    clip,
    beta1,
    1 - beta1,
    beta2,
    1 - beta2,
    meanCorrection,
    squareCorrection,
    eps,
    emaDecay,
    1 - emaDecay,
  );
}
