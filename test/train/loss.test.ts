import { beforeAll, describe, expect, test } from '@jest/globals';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { distillationLoss, softTargetCrossEntropy } from '../../src/train/loss.js';
import { closedForms } from './closedForms.js';

beforeAll(() => tf.setBackend('cpu'));

const { cases, ...given } = closedForms.losses;

describe('as facebookresearch/deit computes the loss', () => {
  test.each(cases)('$type, alpha $alpha, tau $tau', ({ total, ...distillation }) => {
    const student = { head: tf.tensor2d(given.head), dist: tf.tensor2d(given.dist) };
    const parts = distillationLoss(
      student,
      tf.tensor2d(given.targets),
      tf.tensor2d(given.teacher),
      distillation,
    );
    expect(parts.total.dataSync()[0]).toBeCloseTo(total, 5);
    expect(parts.teacher === undefined).toBe(distillation.type === 'none');
  });
});

test('cross entropy of equal logits is the logarithm of the number of classes', () => {
  const targets = tf.tensor2d([
    [0.5, 0.25, 0.25, 0],
    [0, 0, 1, 0],
  ]);
  expect(softTargetCrossEntropy(tf.fill([2, 4], 7), targets).dataSync()[0]).toBeCloseTo(Math.log(4), 6);
});

test('distillation without a second head or without a teacher is an error', () => {
  const head = tf.tensor2d(given.head);
  const dist = tf.tensor2d(given.dist);
  const teacher = tf.tensor2d(given.teacher);
  const targets = tf.tensor2d(given.targets);
  const soft = { type: 'soft', alpha: 0.5, tau: 1 } as const;
  expect(() => distillationLoss({ head }, targets, teacher, soft)).toThrow('distillation head');
  expect(() => distillationLoss({ head, dist }, targets, undefined, soft)).toThrow('teacher');
});
