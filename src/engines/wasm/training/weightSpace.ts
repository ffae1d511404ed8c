/** The weights in one flat buffer, and beside it others of the same layout: gradients and what the optimiser remembers. */
import { sizeOf } from '../../../shape.js';
import { aligned, LINE } from '../allocate.js';

/** A weight of the family's table. */
export interface TrainingRow {
  readonly name: string;
  readonly shape: readonly number[];
  /** Whether weight decay acts on it. */
  readonly decays: boolean;
}

/** What each buffer holds: a number for each number of a weight. */
export const BUFFERS = ['weights', 'gradients', 'mean', 'square', 'ema'] as const;
export type BufferName = (typeof BUFFERS)[number];

/** Floats of the optimiser's chunks, at most. */
const CHUNK = 16_384;

/** Part of a flat buffer, as assembly/optimizer.ts takes it. */
export interface Chunk {
  /** Bytes from the buffer's begin. */
  readonly offset: number;
  /** A multiple of 4: what fills a weight up is zero and stays so. */
  readonly count: number;
  readonly decays: boolean;
}

/** Where each weight lies: as it is, row by row, filled up with zeros to whole lines. */
export class WeightSpace {
  /** Bytes of a buffer. */
  readonly bytes: number;
  /** The longest row that a product has: as many zeros serve where there is no bias. */
  readonly longest: number;
  private readonly rows = new Map<string, TrainingRow & { readonly offset: number }>();

  /** @param alignment of each weight, in bytes: a multiple of a line */
  constructor(table: readonly TrainingRow[], alignment = LINE) {
    let offset = 0;
    let longest = 1;
    for (const row of table) {
      this.rows.set(row.name, { ...row, offset });
      const size = sizeOf(row.shape);
      offset += Math.ceil((size * 4) / alignment) * alignment;
      const n = row.shape.at(-1) ?? 1;
      longest = Math.max(longest, n, size / n);
    }
    this.bytes = offset;
    this.longest = longest;
  }

  has(name: string): boolean {
    return this.rows.has(name);
  }

  row(name: string): TrainingRow & { readonly offset: number } {
    const row = this.rows.get(name);
    if (!row) throw new Error(`the model's table of weights has no ${name}`);
    return row;
  }

  size(name: string): number {
    return sizeOf(this.row(name).shape);
  }

  /** Some weights in chunks, in the order of the table. */
  chunks(names: ReadonlySet<string>): Chunk[] {
    return [...this.rows.values()]
      .filter(({ name }) => names.has(name))
      .flatMap(({ name, offset, decays }) => {
        const size = aligned(this.size(name) * 4) / 4;
        return Array.from({ length: Math.ceil(size / CHUNK) }, (_, i) => ({
          offset: offset + i * CHUNK * 4,
          count: Math.min(CHUNK, size - i * CHUNK),
          decays,
        }));
      });
  }
}
