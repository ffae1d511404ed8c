import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { PICTURE_BOMBS, pictureCases } from '../fuzz/pictureCases.js';
import { pictureOutcome } from '../fuzz/pictureOutcome.js';

// The same cases as `npm run reliability`, fewer of them: pictureOutcome throws if one ends in anything but a picture
// or one clear error.

test('a fixed sample of mutated pictures ends in pictures or clear errors, and in many of each', async () => {
  const outcomes = { result: 0, error: 0 };
  for (const bytes of fc.sample(pictureCases(), { seed: 2021, numRuns: 600 })) {
    outcomes[(await pictureOutcome(bytes)) === undefined ? 'result' : 'error'] += 1;
  }
  expect(outcomes.result).toBeGreaterThan(100);
  expect(outcomes.error).toBeGreaterThan(200);
});

test.each(PICTURE_BOMBS.filter(([name]) => !/13,000|12,000/.test(name)))('bomb: %s', async (_name, make) => {
  const outcome = await pictureOutcome(make());
  expect(outcome ?? 'a picture').toMatch(/^case\.jpg: |^a picture$/);
});

test('a picture about which the decoder has a hundred complaints gives one short line', async () => {
  const bytes = readFileSync('test/fixtures/hostile/many-complaints.tif');
  // As it is, it is read: Pillow does not look at the tags that are wrong.
  expect(await pictureOutcome(new Uint8Array(bytes))).toBeUndefined();
  const compression = bytes.indexOf(Buffer.from([0x03, 0x01, 3, 0, 1, 0, 0, 0, 1, 0]));
  bytes[compression + 8] = 4; // fax, which is left to sharp
  const outcome = await pictureOutcome(new Uint8Array(bytes));
  expect(outcome).toMatch(/^case\.jpg: cannot be decoded: .*; /);
  expect(outcome!.length).toBeLessThan(700);
});
