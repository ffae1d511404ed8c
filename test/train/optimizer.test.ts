import { beforeAll, describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import {
  adamW,
  addDecayedWeights,
  type ByWeight,
  chain,
  clipByGlobalNorm,
  type GradientStep,
  globalNorm,
  scaleByAdam,
  scaleByLearningRate,
} from '../../src/train/optimizer/index.js';
import { closedForms } from './closedForms.js';

beforeAll(() => tf.setBackend('cpu'));

const tensors = (values: Record<string, number[] | number[][]>): ByWeight =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, tf.tensor(value)]));

const numbers = (updates: ByWeight) =>
  Object.fromEntries(Object.entries(updates).map(([name, update]) => [name, [...update.dataSync()]]));

function expectClose(actual: ByWeight, expected: object, digits = 5) {
  const found = numbers(actual);
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected)) {
    const flat = [values].flat(2) as number[];
    expect(found[name]).toHaveLength(flat.length);
    for (const [i, value] of flat.entries()) expect(found[name]![i]).toBeCloseTo(value, digits);
  }
}

const zeroState = (step: GradientStep, like: ByWeight) =>
  Object.fromEntries(
    step.slots.map((slot) => [
      slot,
      Object.fromEntries(Object.entries(like).map(([name, tensor]) => [name, tf.zerosLike(tensor)])),
    ]),
  );

describe('AdamW, weights after every step as torch.optim.AdamW has them', () => {
  test.each(
    closedForms.optimizers,
  )('learning rate $lr, betas $beta1 and $beta2, eps $eps, weight decay $weightDecay, clipping $clipGrad', ({
    lr,
    after,
    norms,
    ...options
  }) => {
    const optimizer = adamW(options, (name) => name === 'matrix');
    let weights = tensors({ ...closedForms.start });
    let state = zeroState(optimizer, weights);
    for (const [step, values] of closedForms.gradients.entries()) {
      const gradients = tensors({ ...values });
      expect(globalNorm(gradients).dataSync()[0]).toBeCloseTo(norms[step]!, 5);
      const result = optimizer.apply(gradients, { weights, state, count: step + 1, learningRate: lr });
      state = result.state!;
      weights = Object.fromEntries(
        Object.entries(result.updates).map(([name, update]) => [name, tf.add(weights[name]!, update)]),
      );
      expectClose(weights, after[step]!);
    }
  });
});

const context = (weights: ByWeight = {}) => ({ weights, state: {}, count: 1, learningRate: 0.25 });

test('decay adds rate · weight where it acts, and nothing elsewhere', () => {
  const step = addDecayedWeights(0.5, (name) => name === 'kernel');
  const weights = tensors({ kernel: [4, -8], bias: [4, -8] });
  const { updates } = step.apply(tensors({ kernel: [1, 1], bias: [1, 1] }), context(weights));
  expect(numbers(updates)).toEqual({ kernel: [3, -3], bias: [1, 1] });
});

test('the last step is −learning rate · update', () => {
  const { updates } = scaleByLearningRate().apply(tensors({ a: [4, -2] }), context());
  expect(numbers(updates)).toEqual({ a: [-1, 0.5] });
});

test('clips by the norm of all weights together, and only what is longer', () => {
  const gradients = tensors({ a: [3], b: [0, -4] });
  expect(globalNorm(gradients).dataSync()[0]).toBeCloseTo(5, 6);
  expectClose(clipByGlobalNorm(1).apply(gradients, context()).updates, { a: [0.6], b: [0, -0.8] }, 6);
  expect(numbers(clipByGlobalNorm(10).apply(gradients, context()).updates)).toEqual({ a: [3], b: [0, -4] });
  // PyTorch's guard, max / (norm + 1e-6), where it is all there is.
  expectClose(clipByGlobalNorm(5e-7).apply(tensors({ a: [1e-6] }), context()).updates, { a: [2.5e-7] }, 10);
  expect(numbers(clipByGlobalNorm(1).apply(tensors({ a: [0] }), context()).updates)).toEqual({ a: [0] });
});

test("Adam's first update is gradient / (|gradient| + eps), whatever the betas", () => {
  const adam = scaleByAdam({ beta1: 0.5, beta2: 0.75, eps: 1 });
  const gradients = tensors({ a: [1, -3, 0] });
  const { updates, state } = adam.apply(gradients, { ...context(), state: zeroState(adam, gradients) });
  expectClose(updates, { a: [0.5, -0.75, 0] });
  expectClose(state!.mean!, { a: [0.5, -1.5, 0] });
  expectClose(state!.square!, { a: [0.25, 2.25, 0] });
});

test('Adam keeps what it knows of a weight that has no gradient in a step', () => {
  const adam = scaleByAdam({ beta1: 0.5, beta2: 0.5, eps: 1 });
  const state = { mean: tensors({ a: [1], b: [2] }), square: tensors({ a: [3], b: [4] }) };
  const result = adam.apply(tensors({ a: [1] }), { ...context(), count: 2, state });
  expect(Object.keys(result.updates)).toEqual(['a']);
  expect(result.state!.mean!.b).toBe(state.mean.b);
  expect(result.state!.square!.b).toBe(state.square.b);
});

test('a chain hands updates and state on, and refuses two slots of one name', () => {
  const first: GradientStep = {
    slots: ['seen'],
    apply: (updates) => ({ updates: { a: tf.mul(updates.a!, 2) }, state: { seen: updates } }),
  };
  const second: GradientStep = {
    slots: [],
    apply: (updates, { state }) => ({ updates: { a: tf.add(updates.a!, state.seen!.a!) } }),
  };
  const both = chain(first, second);
  expect(both.slots).toEqual(['seen']);
  const { updates, state } = both.apply(tensors({ a: [5] }), { ...context(), state: { other: {} } });
  expect(numbers(updates)).toEqual({ a: [15] });
  expect(Object.keys(state!)).toEqual(['other', 'seen']);
  expect(() => chain(first, second, first)).toThrow('two steps keep a slot of one name');
});
