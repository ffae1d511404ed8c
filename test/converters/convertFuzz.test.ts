import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { convertCases } from '../fuzz/convertCases.js';
import { convertOutcome } from '../fuzz/convertOutcome.js';

// The same cases as `npm run fuzz`, fewer and smaller ones: convertOutcome throws if one ends in anything but a model or one
// clear error.

test('a fixed sample of mutated models ends in exports or clear errors, and in many of each', async () => {
  const outcomes = { model: 0, error: 0 };
  for (const task of fc.sample(convertCases(24), { seed: 2020, numRuns: 250 })) {
    outcomes[(await convertOutcome(task)) === undefined ? 'model' : 'error'] += 1;
  }
  expect(outcomes.model).toBeGreaterThan(20);
  expect(outcomes.error).toBeGreaterThan(100);
});
