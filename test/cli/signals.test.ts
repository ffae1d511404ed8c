import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { catchInterrupt } from '../../src/cli/signals.js';
import { deit } from './captureCli.js';

const folder = mkdtempSync(join(tmpdir(), 'deit-signals-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each<NodeJS.Signals>(['SIGINT', 'SIGTERM', 'SIGHUP'])('%s interrupts, and is let go again', (name) => {
  const before = process.listenerCount(name);
  const { signal, release } = catchInterrupt();
  expect(signal.aborted).toBe(false);
  process.emit(name, name);
  expect(signal.aborted).toBe(true);
  release();
  expect(process.listenerCount(name)).toBe(before);
});

/** Sends a signal to this process's handlers as soon as the command that runs has some. */
function interruptOnce(signal: NodeJS.Signals): void {
  process.on('newListener', function onListener(name) {
    if (name !== signal) return;
    process.off('newListener', onListener);
    setImmediate(() => process.emit(signal, signal));
  });
}

const convert = (out: string) => ['convert', 'examples/digits/deit_digits_distilled.pth', join(folder, out)];

test.each<[NodeJS.Signals, number]>([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])('%s while a model is written: nothing is left, and the exit code is %d', async (signal, code) => {
  interruptOnce(signal);
  const { code: found, err } = await deit(...convert('interrupted'));
  expect(err).toContain('interrupted; nothing was written');
  expect([found, readdirSync(folder)]).toEqual([code, []]);
});

test('a signal of a command that ended is none of the next', async () => {
  interruptOnce('SIGTERM');
  await deit(...convert('first'));
  const { code } = await deit('summary', join(folder, 'none'));
  expect(code).toBe(1);
});
