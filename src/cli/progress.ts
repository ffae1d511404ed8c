import cliProgress from 'cli-progress';

export interface Progress {
  /** `done` counts from the start, in the progress' unit. */
  update(done: number): void;
  stop(): void;
}

/** Lines on a stream that is no terminal come at most this often. */
const LINE_INTERVAL_MS = 10_000;

/**
 * Shows how far some long work is, on stderr: a bar with rate and time left on a terminal, plain lines elsewhere.
 */
export function startProgress({
  label,
  total,
  unit,
}: {
  label: string;
  total: number;
  unit: string;
}): Progress {
  return process.stderr.isTTY ? bar(label, total, unit) : lines(label, total, unit);
}

function bar(label: string, total: number, unit: string): Progress {
  const start = performance.now();
  const shown = new cliProgress.SingleBar({
    format: `${label} [{bar}] {percentage}% | {shown}/{shownTotal} ${unit} | {rate} ${unit}/s | {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
    etaBuffer: 50,
    clearOnComplete: true,
  });
  shown.start(total, 0, { rate: '–', shown: number(0), shownTotal: number(total) });
  return {
    update(done) {
      const seconds = (performance.now() - start) / 1000;
      shown.update(done, { rate: number(done / Math.max(seconds, 1e-3)), shown: number(done) });
    },
    stop: () => shown.stop(),
  };
}

function lines(label: string, total: number, unit: string): Progress {
  const start = performance.now();
  let last = start;
  return {
    update(done) {
      const now = performance.now();
      if (now - last < LINE_INTERVAL_MS || done >= total) return;
      last = now;
      const rate = done / ((now - start) / 1000);
      const left = Math.round((total - done) / Math.max(rate, 1e-9));
      console.error(
        `${label}: ${number(done)}/${number(total)} ${unit}, ${number(rate)} ${unit}/s, ${left} s left`,
      );
    },
    stop: () => {},
  };
}

function number(value: number): string {
  if (value >= 100 || Number.isInteger(value)) return String(Math.round(value));
  return value.toPrecision(3);
}
