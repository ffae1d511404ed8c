import { expect, test } from '@jest/globals';
import { catchInterrupt } from '../../src/cli/signals.js';

test.each<NodeJS.Signals>(['SIGINT', 'SIGTERM', 'SIGHUP'])('%s interrupts, and is let go again', (name) => {
  const before = process.listenerCount(name);
  const { signal, release } = catchInterrupt();
  expect(signal.aborted).toBe(false);
  process.emit(name);
  expect(signal.aborted).toBe(true);
  release();
  expect(process.listenerCount(name)).toBe(before);
});
