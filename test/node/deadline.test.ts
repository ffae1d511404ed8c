import { expect, test } from '@jest/globals';
import { withDeadline } from '../../src/node/deadline.js';

const late = () => new Error('late');

test('gives what comes in time, and its errors', async () => {
  expect(await withDeadline(Promise.resolve(7), 1000, late)).toBe(7);
  await expect(withDeadline(Promise.reject(new Error('own')), 1000, late)).rejects.toThrow('own');
});

test('rejects when nothing comes, and stays quiet about what comes after', async () => {
  await expect(withDeadline(new Promise(() => {}), 20, late)).rejects.toThrow('late');
  let fail = (_: Error) => {};
  const work = new Promise((_, reject) => {
    fail = reject;
  });
  await expect(withDeadline(work, 20, late)).rejects.toThrow('late');
  fail(new Error('after'));
  await new Promise((done) => setTimeout(done, 10));
});
