import { expect, test } from '@jest/globals';
import { prefetch } from '../src/prefetch.js';

/** Pieces of work that end when told to. */
function makeWork(count: number) {
  const ends: ((value: number) => void)[] = [];
  const begin = () =>
    ends.length === count ? undefined : new Promise<number>((resolve) => void ends.push(resolve));
  return { begin, ends };
}

test('gives results in order, whichever ends first, and begins no more than it may', async () => {
  const { begin, ends } = makeWork(4);
  const results = prefetch(begin, 2);
  const first = results.next();
  expect(ends).toHaveLength(2);
  ends[1]!(1);
  ends[0]!(0);
  expect(await first).toEqual({ value: 0, done: false });
  expect(ends).toHaveLength(3);
  expect(await results.next()).toEqual({ value: 1, done: false });
  expect(ends).toHaveLength(4);
  ends[3]!(3);
  ends[2]!(2);
  expect(await results.next()).toEqual({ value: 2, done: false });
  expect(await results.next()).toEqual({ value: 3, done: false });
  expect((await results.next()).done).toBe(true);
});

test('a failure waits for its turn', async () => {
  const work = [Promise.resolve(0), Promise.reject(new Error('second')), Promise.resolve(2)];
  const results = prefetch(() => work.shift(), 3);
  expect((await results.next()).value).toBe(0);
  await expect(results.next()).rejects.toThrow('second');
  expect((await results.next()).done).toBe(true);
});

test('nothing to do ends at once', async () => {
  expect((await prefetch(() => undefined, 2).next()).done).toBe(true);
});
