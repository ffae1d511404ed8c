import { expect } from '@jest/globals';
import type { OffTorch } from './followTorch.js';

/** Expects an engine to have come to PyTorch's losses, gradients, weights and running mean in the steps of a case. */
export function expectTorchSteps(name: string, found: OffTorch): void {
  const { gradients, step1, step20, student, losses, firstLoss, ema20 } = found;
  for (const off of [gradients, step1, firstLoss]) expect(off).toBeLessThan(1e-5);
  for (const off of [step20, student, losses]) expect(off).toBeLessThan(1e-3);
  if (name === 'soft') expect(ema20).toBeLessThan(1e-3);
}
