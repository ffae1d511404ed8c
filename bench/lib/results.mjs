/** Tables in Markdown, and the sections of a file that commands write. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Where the figures are kept. */
export const RESULTS = fileURLToPath(new URL('../RESULTS.md', import.meta.url));

/** Rows of texts as a Markdown table; the first column to the left, the others to the right. */
export function table(head, rows) {
  const widths = head.map((title, i) => Math.max(3, title.length, ...rows.map((row) => row[i].length)));
  const line = (cells) =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

/** Puts `markdown` between the marks of section `name` in a file; a section that is not there is added at the end. */
export function writeSection(file, name, markdown) {
  const [begin, end] = [`<!-- begin ${name} -->`, `<!-- end ${name} -->`];
  const section = `${begin}\n\n${markdown.trim()}\n\n${end}`;
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  const found = from >= 0 && to > from;
  const next = found
    ? text.slice(0, from) + section + text.slice(to + end.length)
    : `${text.trimEnd()}${text === '' ? '' : '\n\n'}${section}\n`;
  writeFileSync(`${file}.tmp`, next);
  renameSync(`${file}.tmp`, file);
}
