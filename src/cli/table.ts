import { oneLine } from '../text.js';

/** Rows of text as a table: columns as wide as their widest cell, numbers to the right; a cell is one line. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(oneLine));
  const all = [header, ...cells];
  const widths = header.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const toRight = header.map((_, i) => cells.length > 0 && cells.every((row) => /^[\d.,–-]*$/.test(row[i])));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (toRight[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...cells.map(line)].join('\n');
}
