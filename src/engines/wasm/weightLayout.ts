/** Where each weight lies in the engine's memory, and in what form. */
import { UserError } from '../../errors.js';
import { sizeOf } from '../../shape.js';
import { aligned } from './allocate.js';
import type { Tiles } from './record.js';

/** A weight of the family's table. */
export interface WeightRow {
  readonly name: string;
  readonly shape: readonly number[];
}

/** What the engine does with a weight's values as they come. */
export type Sink =
  /** [k, n] to packed panels. */
  | { kind: 'matrix'; address: number; k: number; n: number }
  /** [k, n] of whole numbers to packed panels, and the sums of its columns. */
  | { kind: 'codes'; address: number; sums: number; k: number; n: number }
  /** `count` rows of `width` from row `from` on, each `stride` bytes from the next; added to what is there. */
  | { kind: 'rows'; address: number; from: number; count: number; width: number; stride: number };

/** Floats of a row in memory: whole tiles, whatever their width. */
export function paddedWidth(width: number): number {
  return Math.ceil(width / 16) * 16;
}

/**
 * Gives weights their places, each when a forward pass first asks for it; asked again, it gives the same place. Values
 * follow later, in any order (sinks).
 */
export class WeightLayout {
  private readonly shapes: ReadonlyMap<string, readonly number[]>;
  private readonly addresses = new Map<string, number>();
  private readonly sinksByName = new Map<string, Sink[]>();
  private next: number;

  constructor(
    table: readonly WeightRow[],
    /** The first address to give. */
    start: number,
    private readonly tiles: Pick<Tiles, 'columns' | 'packedCodesBytes'>,
  ) {
    this.shapes = new Map(table.map(({ name, shape }) => [name, shape]));
    this.next = aligned(start);
  }

  /** The first address past all weights. */
  get end(): number {
    return this.next;
  }

  has(name: string): boolean {
    return this.shapes.has(name);
  }

  shape(name: string): readonly number[] {
    const shape = this.shapes.get(name);
    if (!shape)
      throw new UserError(`the model's table of weights has no ${name}, which its forward pass uses`);
    return shape;
  }

  /** The weights that are used, in the order of the table. */
  names(): string[] {
    return [...this.shapes.keys()].filter((name) => this.sinksByName.has(name));
  }

  /** What to do with the values of a weight. */
  sinksOf(name: string): readonly Sink[] {
    return this.sinksByName.get(name) ?? [];
  }

  /** A matrix [k, n] (or a kernel whose last axis is n) in panels. */
  matrix(name: string, k: number, n: number): number {
    this.checkMatrix(name, k, n);
    const { columns } = this.tiles;
    const bytes = Math.ceil(n / columns) * columns * k * 4;
    return this.place(`matrix ${name}`, bytes, (address) => [name, { kind: 'matrix', address, k, n }]);
  }

  /** A matrix [k, n] of whole numbers from -127 to 127 in panels of bytes, and the sums of its columns. */
  codes(name: string, k: number, n: number): { address: number; sums: number } {
    this.checkMatrix(name, k, n);
    const sums = this.place(`sums ${name}`, paddedWidth(n) * 4);
    const bytes = this.tiles.packedCodesBytes(k, n);
    const sink = (address: number): [string, Sink] => [name, { kind: 'codes', address, sums, k, n }];
    return { address: this.place(`codes ${name}`, bytes, sink), sums };
  }

  private checkMatrix(name: string, k: number, n: number): void {
    const shape = this.shape(name);
    if (shape.at(-1) !== n || sizeOf(shape) !== k * n) {
      throw new UserError(`${name}: its shape is [${shape}], and its layer needs [${k}, ${n}]`);
    }
  }

  /** A vector [n], filled up with zeros. */
  vector(name: string, n: number): number {
    const shape = this.shape(name);
    if (sizeOf(shape) !== n) {
      throw new UserError(`${name}: its shape is [${shape}], and its layer needs [${n}]`);
    }
    return this.rows(`vector ${name}`, 1, n, [{ name, from: 0, to: 0, count: 1 }]);
  }

  /** As many zeros as a bias of n values has. */
  zeros(n: number): number {
    return this.place(`zeros ${paddedWidth(n)}`, paddedWidth(n) * 4);
  }

  /**
   * Rows [count, width] that are sums of rows of weights.
   *
   * @param key tells these rows from others
   * @param parts rows `from` … `from + count` of a weight [..., width] are added at row `to`
   */
  rows(
    key: string,
    count: number,
    width: number,
    parts: readonly { name: string; from: number; to: number; count: number }[],
  ): number {
    const stride = paddedWidth(width) * 4;
    const known = this.addresses.get(key);
    if (known !== undefined) return known;
    const address = this.place(key, count * stride);
    for (const { name, from, to, count: rows } of parts) {
      const shape = this.shape(name);
      const size = sizeOf(shape);
      if (size < (from + rows) * width || size % width !== 0) {
        throw new UserError(
          `${name}: its shape is [${shape}], too small for ${from + rows} rows of ${width}`,
        );
      }
      this.addSink(name, { kind: 'rows', address: address + to * stride, from, count: rows, width, stride });
    }
    return address;
  }

  private place(key: string, bytes: number, sink?: (address: number) => [string, Sink]): number {
    const known = this.addresses.get(key);
    if (known !== undefined) return known;
    const address = this.next;
    this.next = aligned(address + bytes);
    this.addresses.set(key, address);
    if (sink) this.addSink(...sink(address));
    return address;
  }

  private addSink(name: string, sink: Sink): void {
    const sinks = this.sinksByName.get(name) ?? [];
    sinks.push(sink);
    this.sinksByName.set(name, sinks);
  }
}
