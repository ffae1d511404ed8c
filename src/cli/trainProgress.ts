import type { RunHooks } from '../node/train/run.js';
import type { Tone } from './paint.js';
import { say } from './print.js';
import { duration, fitLine, type TerminalBar, terminalBar } from './terminalBar.js';

/** Lines on a stream that is no terminal come at most this often. */
const LINE_INTERVAL_MS = 10_000;

/** Least weight of the newest step in the shown loss and rate. */
const NEWEST = 0.05;

/**
 * Shows a training run on stderr: step, loss, learning rate, images a second and time left; a bar on a terminal,
 * plain lines elsewhere; a line for every epoch.
 */
export function startTrainProgress(): RunHooks & { stop(): void } {
  const terminal = process.stderr.isTTY === true;
  let bar: TerminalBar | undefined;
  let parts: Parameters<typeof fitLine>[2] = [];
  let run = { steps: 0, done: 0, imagesPerStep: 0 };
  let last = performance.now();
  let lastLine = last;
  const secondsPerStep = recentMean();
  const loss = recentMean();
  let steps = 0;
  let step = 0;

  const line = (text: string, tone?: Tone) => {
    // The bar is drawn over: a line goes above it.
    if (bar) process.stderr.write('\r\x1b[K');
    say(text, tone);
  };
  return {
    onNote: (text) => line(text),
    onStart(start) {
      run = start;
      step = start.done;
      last = performance.now();
      if (!terminal) return;
      bar = terminalBar(run.steps, run.done, (fraction, step, columns) =>
        fitLine('train', fraction, [{ text: `step ${step}/${run.steps}`, keep: 3 }, ...parts], columns),
      );
    },
    onStep(record) {
      const now = performance.now();
      const seconds = (now - last) / 1000;
      last = now;
      // The first step of a process also compiles and allocates: it says nothing of those to come, once there are some.
      if (++steps === 2) secondsPerStep.restart();
      const perStep = secondsPerStep.add(seconds);
      parts = [
        { text: `epoch ${record.epoch + 1}`, keep: 2 },
        { text: `loss ${loss.add(record.loss).toFixed(4)}`, keep: 4 },
        { text: `lr ${record.learningRate.toExponential(2)}`, keep: 1 },
        { text: `${(run.imagesPerStep / perStep).toFixed(0)} images/s`, keep: 5 },
        { text: `${duration((run.steps - record.step) * perStep)} left`, keep: 6 },
      ];
      step = record.step;
      bar?.update(step);
      if (bar || now - lastLine < LINE_INTERVAL_MS) return;
      lastLine = now;
      say([`step ${record.step}/${run.steps}`, ...parts.map(({ text }) => text)].join(' | '));
    },
    onEvaluate(done, total) {
      last = performance.now();
      parts = [{ text: `evaluating ${done}/${total}`, keep: 5 }];
      bar?.update(step);
    },
    onEpoch({ epoch, trainLoss, val, ema, best }) {
      last = performance.now();
      line(
        `epoch ${epoch + 1}: loss ${trainLoss.toFixed(4)}, validation loss ${val.loss.toFixed(4)}, ` +
          `top-1 ${val.top1.toFixed(3)} %${ema ? ` (running mean ${ema.top1.toFixed(3)} %)` : ''}${best ? ', the best' : ''}`,
        best ? 'good' : undefined,
      );
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

/** A mean in which the newest values count most; of the first ones all count alike. */
export function recentMean(): { add(value: number): number; restart(): void } {
  let [mean, count] = [0, 0];
  return {
    add(value) {
      count++;
      mean += Math.max(NEWEST, 1 / count) * (value - mean);
      return mean;
    },
    restart: () => {
      count = 0;
    },
  };
}
