import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { SMALL_BOMBS } from '../../fuzz/bombs.js';
import { fuzzCases } from '../../fuzz/cases.js';
import { parseOutcome } from './outcome.js';

// The same cases as `npm run fuzz`, fewer of them: parseOutcome throws if one ends in anything but a result or one
// clear error.

test('a fixed sample of mutated checkpoints ends in results or clear errors, and in many of each', async () => {
  const outcomes = { result: 0, error: 0 };
  for (const { bytes } of fc.sample(await fuzzCases(), { seed: 2020, numRuns: 3000 })) {
    outcomes[(await parseOutcome(bytes)) === undefined ? 'result' : 'error'] += 1;
  }
  expect(outcomes.result).toBeGreaterThan(600);
  expect(outcomes.error).toBeGreaterThan(1000);
});

test.each(SMALL_BOMBS)('bomb: %s', async (_name, make) => {
  const outcome = await parseOutcome(make());
  expect(outcome ?? 'a result').toMatch(/^case\.pth: |^a result$/);
});
