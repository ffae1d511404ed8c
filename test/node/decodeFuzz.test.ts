import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { IMAGE_BOMBS, imageCases } from '../fuzz/imageCases.js';
import { imageOutcome } from '../fuzz/imageOutcome.js';

// The same cases as `npm run reliability`, fewer of them: imageOutcome throws if one ends in anything but an image
// or one clear error.

test('a fixed sample of mutated images ends in images or clear errors, and in many of each', async () => {
  const outcomes = { result: 0, error: 0 };
  for (const bytes of fc.sample(imageCases(), { seed: 2021, numRuns: 600 })) {
    outcomes[(await imageOutcome(bytes)) === undefined ? 'result' : 'error'] += 1;
  }
  expect(outcomes.result).toBeGreaterThan(100);
  expect(outcomes.error).toBeGreaterThan(200);
});

test.each(IMAGE_BOMBS.filter(([name]) => !/13,000|12,000/.test(name)))('bomb: %s', async (_name, make) => {
  const outcome = await imageOutcome(make());
  expect(outcome ?? 'an image').toMatch(/^case\.jpg: |^an image$/);
});

test('an image about which the decoder has a hundred complaints gives one short line', async () => {
  const bytes = readFileSync('test/fixtures/hostile/many-complaints.tif');
  // As it is, it is read: Pillow does not look at the tags that are wrong.
  expect(await imageOutcome(new Uint8Array(bytes))).toBeUndefined();
  const compression = bytes.indexOf(Buffer.from([0x03, 0x01, 3, 0, 1, 0, 0, 0, 1, 0]));
  bytes[compression + 8] = 4; // fax, which is left to sharp
  const outcome = await imageOutcome(new Uint8Array(bytes));
  expect(outcome).toMatch(/^case\.jpg: cannot be decoded: .*; /);
  expect(outcome!.length).toBeLessThan(700);
});
