/** Rows of text as a table: columns as wide as their widest cell, numbers to the right. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const toRight = header.map((_, i) => rows.length > 0 && rows.every((row) => /^[\d.,–-]*$/.test(row[i])));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (toRight[i] ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
      .join('  ')
      .trimEnd();
  return [line(header), widths.map((width) => '-'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
