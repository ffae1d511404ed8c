import type { NodeHubOptions } from '../node/hub/openHub.js';
import { say } from './print.js';
import { lines, type Progress, type Work } from './progress.js';

/** Progress of one file after another, each shown by itself. */
export function fileProgress(start: (work: Work) => Progress) {
  let current: { label: string; progress: Progress } | undefined;
  const stop = () => {
    current?.progress.stop();
    current = undefined;
  };
  return {
    /** @param total in bytes, as `done` is; null if unknown */
    update(label: string, done: number, total: number | null) {
      if (current?.label !== label) {
        stop();
        const work = { label, total: (total ?? 0) / 1e6, unit: 'MB', from: done / 1e6 };
        current = { label, progress: start(work) };
      }
      current.progress.update(done / 1e6);
    },
    stop,
  };
}

/** What commands that open a model say while its files come from the hub. */
export function hubMessages(): Pick<NodeHubOptions, 'onNotice' | 'onProgress'> {
  const shown = fileProgress(lines);
  return {
    onNotice: say,
    onProgress: ({ path, loadedBytes, totalBytes }) => shown.update(path, loadedBytes, totalBytes ?? null),
  };
}
