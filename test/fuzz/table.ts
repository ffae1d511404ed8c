/** Time in which every case must end, and memory that it may take beyond its input. */
export const MAX_MILLISECONDS = 2000;
export const MAX_BYTES = 512 * 2 ** 20;

/** How a case ended. A hang is any case that took longer than it may, whatever came of it. */
export type Ending = 'result' | 'error' | 'crash' | 'hang';

interface Row {
  readonly endings: Record<Ending, number>;
  slowest: number;
  largest: number;
}

/** All cases of a run. */
export interface FuzzTotal {
  readonly cases: number;
  readonly crashes: number;
  readonly hangs: number;
  readonly slowestMs: number;
  readonly bytes: number;
}

/** Counts by kind of case. */
export class FuzzTable {
  readonly #rows = new Map<string, Row>();

  /** @param maxBytes memory that a case may take beyond its input */
  constructor(private readonly maxBytes = MAX_BYTES) {}

  count(kind: string, ending: Ending, milliseconds: number): void {
    const row = this.#row(kind);
    row.endings[ending] += 1;
    row.slowest = Math.max(row.slowest, milliseconds);
  }

  memory(kind: string, bytes: number): void {
    const row = this.#row(kind);
    row.largest = Math.max(row.largest, bytes);
  }

  /** No crash, no hang, no case beyond the memory. */
  isClean(): boolean {
    return [...this.#rows.values()].every(
      ({ endings, largest }) => endings.crash === 0 && endings.hang === 0 && largest <= this.maxBytes,
    );
  }

  toMarkdown(): string {
    const lines = [
      '| kind | cases | results | clear errors | crashes | hangs | slowest (ms) | most memory (MB) |',
      '|---|---|---|---|---|---|---|---|',
    ];
    for (const [kind, row] of this.#rows) lines.push(markdownLine(kind, row));
    return [...lines, markdownLine('all', this.#sum())].join('\n');
  }

  /** The last line of the table as numbers; `bytes` is memory that was measured over many cases. */
  total(bytes = 0): FuzzTotal {
    const { endings, slowest, largest } = this.#sum();
    const { result, error, crash, hang } = endings;
    return {
      cases: result + error + crash + hang,
      crashes: crash,
      hangs: hang,
      slowestMs: slowest,
      bytes: Math.max(bytes, largest),
    };
  }

  #sum(): Row {
    const total = newRow();
    for (const row of this.#rows.values()) {
      for (const ending of Object.keys(row.endings) as Ending[]) total.endings[ending] += row.endings[ending];
      total.slowest = Math.max(total.slowest, row.slowest);
      total.largest = Math.max(total.largest, row.largest);
    }
    return total;
  }

  #row(kind: string): Row {
    const row = this.#rows.get(kind) ?? newRow();
    this.#rows.set(kind, row);
    return row;
  }
}

function newRow(): Row {
  return { endings: { result: 0, error: 0, crash: 0, hang: 0 }, slowest: 0, largest: 0 };
}

function markdownLine(kind: string, { endings, slowest, largest }: Row): string {
  const { result, error, crash, hang } = endings;
  const cases = result + error + crash + hang;
  const megabytes = largest === 0 ? '' : Math.ceil(largest / 2 ** 20);
  const cells = [kind, cases, result, error, crash, hang, Math.ceil(slowest), megabytes];
  return `| ${cells.join(' | ')} |`;
}
