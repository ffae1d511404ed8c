/** Places in memory for things that are needed at different times. */

/** Something that takes `bytes` from time `first` to time `last`, both included. */
export interface Span {
  readonly bytes: number;
  readonly first: number;
  readonly last: number;
}

/** A line of the cache. */
export const LINE = 64;

export function aligned(bytes: number): number {
  return Math.ceil(bytes / LINE) * LINE;
}

/**
 * Offsets at which spans that are needed at the same time do not overlap: the largest first, each as low as it can lie.
 *
 * @returns the offsets, and how many bytes there are in all
 */
export function allocate(spans: readonly Span[]): { offsets: number[]; bytes: number } {
  const offsets = new Array<number>(spans.length).fill(0);
  const placed: { span: Span; offset: number }[] = [];
  const order = spans.map((_, i) => i).sort((a, b) => spans[b]!.bytes - spans[a]!.bytes);
  let bytes = 0;
  for (const i of order) {
    const span = spans[i]!;
    const near = placed
      .filter((other) => other.span.first <= span.last && span.first <= other.span.last)
      .sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const other of near) {
      if (offset + span.bytes <= other.offset) break;
      offset = Math.max(offset, aligned(other.offset + other.span.bytes));
    }
    offsets[i] = offset;
    placed.push({ span, offset });
    bytes = Math.max(bytes, aligned(offset + span.bytes));
  }
  return { offsets, bytes };
}
