import cliProgress from 'cli-progress';
import type { RunHooks } from '../node/train/run.js';
import { say } from './print.js';

/** Lines on a stream that is no terminal come at most this often. */
const LINE_INTERVAL_MS = 10_000;

/** Weight of the newest step in the shown loss and rate. */
const NEWEST = 0.05;

/**
 * Shows a training run on stderr: step, loss, learning rate, pictures a second and time left; a bar on a terminal,
 * plain lines elsewhere; a line for every epoch.
 */
export function startTrainProgress(): RunHooks & { stop(): void } {
  const terminal = process.stderr.isTTY === true;
  let bar: cliProgress.SingleBar | undefined;
  let run = { steps: 0, done: 0, picturesPerStep: 0 };
  let last = performance.now();
  let lastLine = last;
  let secondsPerStep: number | undefined;
  let loss: number | undefined;

  const line = (text: string) => {
    // The bar is drawn over: a line goes above it.
    if (bar) process.stderr.write('\r\x1b[K');
    say(text);
  };
  return {
    onNote: line,
    onStart(start) {
      run = start;
      last = performance.now();
      if (!terminal) return;
      bar = new cliProgress.SingleBar({
        format: 'train [{bar}] {percentage}% | step {value}/{total} | {status}',
        stream: process.stderr,
        hideCursor: true,
        clearOnComplete: true,
        gracefulExit: false,
      });
      bar.start(run.steps, run.done, { status: '' });
    },
    onStep(record) {
      const now = performance.now();
      const seconds = (now - last) / 1000;
      last = now;
      secondsPerStep = smoothed(secondsPerStep, seconds);
      loss = smoothed(loss, record.loss);
      const left = duration((run.steps - record.step) * secondsPerStep);
      const status =
        `epoch ${record.epoch + 1} | loss ${loss.toFixed(4)} | lr ${record.learningRate.toExponential(2)} | ` +
        `${(run.picturesPerStep / secondsPerStep).toFixed(0)} images/s | ${left} left`;
      bar?.update(record.step, { status });
      if (bar || now - lastLine < LINE_INTERVAL_MS) return;
      lastLine = now;
      say(`step ${record.step}/${run.steps} | ${status}`);
    },
    onEvaluate(done, total) {
      last = performance.now();
      bar?.update({ status: `evaluating ${done}/${total}` });
    },
    onEpoch({ epoch, trainLoss, val, ema, best }) {
      last = performance.now();
      line(
        `epoch ${epoch + 1}: loss ${trainLoss.toFixed(4)}, validation loss ${val.loss.toFixed(4)}, ` +
          `top-1 ${val.top1.toFixed(3)} %${ema ? ` (running mean ${ema.top1.toFixed(3)} %)` : ''}${best ? ', the best' : ''}`,
      );
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

function smoothed(mean: number | undefined, value: number): number {
  return mean === undefined ? value : mean + NEWEST * (value - mean);
}

/** Seconds as `1:02:03` or `2:03`. */
function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}
