import { say } from './print.js';
import { duration, fitLine, terminalBar } from './terminalBar.js';

export interface Progress {
  /** `done` counts from the start, in the progress' unit. */
  update(done: number): void;
  stop(): void;
}

/** Lines on a stream that is no terminal come at most this often. */
const LINE_INTERVAL_MS = 10_000;

export interface Work {
  label: string;
  /** In the progress' unit; 0 if unknown. */
  total: number;
  unit: string;
  /** What was done before, by default 0: it counts as done, not as speed. */
  from?: number;
}

/**
 * Shows how far some long work is, on stderr: a bar with rate and time left on a terminal, plain lines elsewhere.
 */
export function startProgress(work: Work): Progress {
  return process.stderr.isTTY && work.total > 0 ? bar(work) : lines(work);
}

function bar({ label, total, unit, from = 0 }: Work): Progress {
  const start = performance.now();
  const shown = terminalBar(total, from, (fraction, done, columns) => {
    const rate = (done - from) / Math.max((performance.now() - start) / 1000, 1e-3);
    const left = rate > 0 ? `${duration((total - done) / rate)} left` : '';
    const parts = [
      { text: `${number(done)}/${number(total)} ${unit}`, keep: 1 },
      { text: rate > 0 ? `${number(rate)} ${unit}/s` : '', keep: 2 },
      { text: left, keep: 3 },
    ];
    return fitLine(label, fraction, parts, columns);
  });
  return { update: (done) => shown.update(done), stop: () => shown.stop() };
}

/** The same as plain lines, also on a terminal: nothing is left on it if the work ends in the middle. */
export function lines({ label, total, unit, from = 0 }: Work): Progress {
  const start = performance.now();
  let last = start;
  return {
    update(done) {
      const now = performance.now();
      if (now - last < LINE_INTERVAL_MS || (total > 0 && done >= total)) return;
      last = now;
      const rate = (done - from) / ((now - start) / 1000);
      const left = Math.round((total - done) / Math.max(rate, 1e-9));
      const of = total > 0 ? `/${number(total)}` : '';
      const rest = total > 0 ? `, ${left} s left` : '';
      say(`${label}: ${number(done)}${of} ${unit}, ${number(rate)} ${unit}/s${rest}`);
    },
    stop: () => {},
  };
}

function number(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toPrecision(3);
}
