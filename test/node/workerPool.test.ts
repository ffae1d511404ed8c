import { afterEach, expect, jest, test } from '@jest/globals';
import { startWorkerPool, type WorkerPool } from '../../src/node/workerPool.js';

let pool: WorkerPool<number, number>;
afterEach(() => pool.close());

function start(module: string, startMs?: number): void {
  pool = startWorkerPool<number, number>({
    workers: 2,
    url: new URL(module, import.meta.url),
    workerData: undefined,
    purpose: 'double numbers',
    pack: (message) => ({ message, transfer: [] }),
    giveUp: (_, reason) => {
      throw new Error(reason);
    },
    startMs,
  });
}

test('a job is sent once its worker listens: none is lost where messages are not kept', async () => {
  start('./lateWorker.js');
  const jobs = [1, 2, 3, 4, 5];
  expect(await Promise.all(jobs.map(pool.run))).toEqual([2, 4, 6, 8, 10]);
});

test('a sign of life ends the time limit: what loads a large model has longer', async () => {
  const others = ['setImmediate', 'setInterval', 'nextTick', 'queueMicrotask', 'performance'] as const;
  jest.useFakeTimers({ doNotFake: [...others] });
  try {
    start('./lateWorker.js', 5000);
    expect(await pool.run(21)).toBe(42);
    jest.advanceTimersByTime(5200);
    expect(await pool.run(4)).toBe(8);
  } finally {
    jest.useRealTimers();
  }
});

test('threads that never say a word are one line after the time limit, not a hang', async () => {
  start('./silentWorker.js', 500);
  const line = 'the threads that double numbers do not start: no answer within 0.5 s';
  await expect(pool.run(1)).rejects.toThrow(line);
  await expect(pool.run(2)).rejects.toThrow(line);
});
