/** Columns of a terminal that says nothing of its width. */
const COLUMNS = 80;
/** A bar of fewer characters says nothing; it is left out before a figure is cut. */
const LEAST_BAR = 5;
const MOST_BAR = 40;
/** Time between two drawings: no eye sees more. */
const REDRAW_MS = 100;

const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';
/** What is left of a longer line. */
const CLEAR_REST = '\x1b[K';

/**
 * A line of a progress bar that fits a width: parts from the most to the least important, of which the last are left out
 * where there is no room, and the bar takes what is left.
 *
 * @param fraction 0…1
 * @param parts in the order in which they stand; `keep` says how important each is, highest first
 */
export function fitLine(
  label: string,
  fraction: number,
  parts: readonly { readonly text: string; readonly keep: number }[],
  columns: number,
): string {
  const room = columns - 1; // a full line would wrap
  const percent = `${Math.floor(100 * Math.min(1, Math.max(0, fraction)))}%`;
  let shown = parts.filter(({ text }) => text !== '');
  const lineOf = (bar: string) =>
    [label, bar, [percent, ...shown.map(({ text }) => text)].join(' | ')].filter(Boolean).join(' ');
  while (shown.length > 0 && lineOf('').length > room) {
    const least = Math.min(...shown.map(({ keep }) => keep));
    shown = shown.filter(({ keep }) => keep !== least);
  }
  const width = Math.min(MOST_BAR, room - lineOf('').length - 3);
  if (width < LEAST_BAR) return lineOf('').slice(0, room);
  const done = Math.round(width * Math.min(1, Math.max(0, fraction)));
  return lineOf(`[${'='.repeat(done)}${'-'.repeat(width - done)}]`);
}

/** Draws a line on a terminal in place of the one before. */
export interface TerminalBar {
  update(value: number): void;
  stop(): void;
}

/**
 * A progress bar on stderr.
 *
 * @param line the line for how far it is, 0…1, and the terminal's columns
 */
export function terminalBar(
  total: number,
  from: number,
  line: (fraction: number, value: number, columns: number) => string,
): TerminalBar {
  const { stderr } = process;
  let value = from;
  let drawn = Number.NEGATIVE_INFINITY;
  let next: NodeJS.Timeout | undefined;
  const draw = () => {
    next = undefined;
    drawn = performance.now();
    const fraction = total > 0 ? value / total : 0;
    stderr.write(`\r${line(fraction, value, stderr.columns || COLUMNS)}${CLEAR_REST}`);
  };
  stderr.write(HIDE_CURSOR);
  draw();
  return {
    update(now) {
      value = now;
      // Not at once: of many steps that come together the last one tells the rate.
      next ??= setTimeout(draw, Math.max(0, drawn + REDRAW_MS - performance.now())).unref();
    },
    stop() {
      clearTimeout(next);
      stderr.write(`\r${CLEAR_REST}${SHOW_CURSOR}`);
    },
  };
}

/** Seconds as `1:02:03` or `2:03`. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
