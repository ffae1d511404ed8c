import type { WriteStream } from 'node:tty';
import { oneLine } from '../text.js';

/** Columns of a terminal; of what is no terminal, as many as the text takes. */
export function columnsOf(stream: WriteStream): number {
  return stream.isTTY ? stream.columns || 80 : Number.POSITIVE_INFINITY;
}

/** Space between columns; narrower where the table would not fit. */
const GAPS = ['  ', ' '];

/**
 * Rows of text as a table: columns as wide as their widest cell, numbers to the right. Where it is wider than `columns`,
 * the columns that do not fit stand below their row, each with its name, and no cell is cut; a cell is one line.
 */
export function formatTable(
  header: readonly string[],
  cells: readonly (readonly string[])[],
  columns = columnsOf(process.stdout),
): string {
  const rows = cells.map((row) => row.map(oneLine));
  const widths = header.map((_, i) => Math.max(...[header, ...rows].map((row) => row[i]?.length ?? 0)));
  const fits = (count: number, gap: string) =>
    widths.slice(0, count).reduce((sum, width) => sum + width + gap.length, -gap.length) <= columns;
  const gap = GAPS.find((each) => fits(header.length, each)) ?? GAPS[1]!;
  let count = header.length;
  while (count > 1 && !fits(count, gap)) count--;
  const toRight = header.map(
    (_, i) => rows.length > 0 && rows.every((row) => /^[\d.,–-]*$/.test(row[i] ?? '')),
  );
  const line = (row: readonly string[]) =>
    row
      .slice(0, count)
      .map((cell, i) => (toRight[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join(gap)
      .trimEnd();
  const below = (row: readonly string[]) => {
    const named = row
      .slice(count)
      .flatMap((cell, i) => (isEmpty(cell) ? [] : [`${header[count + i]} ${cell}`]));
    const room = Math.max(LEAST_ROOM, columns - INDENT.length);
    return wrap(named.join('; '), room).map((text) => INDENT + text);
  };
  const rule = widths.slice(0, count).map((width) => '-'.repeat(width));
  return [line(header), rule.join(gap), ...rows.flatMap((row) => [line(row), ...below(row)])].join('\n');
}

/** Before what stands below its row. */
const INDENT = '    ';
const LEAST_ROOM = 20;

const isEmpty = (cell: string) => cell === '' || cell === '–';

/** Words, each with what belongs to it: `99.250 %` is one. */
export function wordsOf(text: string): string[] {
  return text.split(/ +(?!%)/).filter(Boolean);
}

/** Text in lines of at most `width`, broken at spaces. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of wordsOf(text)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
