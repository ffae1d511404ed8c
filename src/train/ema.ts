import * as tf from '@tensorflow/tfjs-core';
import type { ByWeight } from './optimizer/index.js';
import type { Student } from './student.js';

/** A copy of the weights that learn, to start the running mean from. */
export function initialEma(student: Student): ByWeight {
  return Object.fromEntries(
    student.trainable.map((name) => [name, tf.clone(student.weights.get(name)!.read())]),
  );
}

/** decay · mean + (1 − decay) · weight (timm's ModelEma); frees the old means. */
export function updateEma(ema: ByWeight, student: Student, decay: number): ByWeight {
  const mean = tf.tidy(() => {
    const next = ([name, old]: [string, tf.Tensor]) => [
      name,
      tf.add(tf.mul(old, decay), tf.mul(student.weights.get(name)!.read(), 1 - decay)),
    ];
    return Object.fromEntries(Object.entries(ema).map(next)) as ByWeight;
  });
  tf.dispose(ema);
  return mean;
}

/** Puts the means in the weights' place while `run` works, and the weights back after it. */
export async function withEma<T>(ema: ByWeight, student: Student, run: () => Promise<T>): Promise<T> {
  const held = initialEma(student);
  try {
    for (const [name, mean] of Object.entries(ema)) student.weights.get(name)!.write(mean);
    return await run();
  } finally {
    for (const [name, weight] of Object.entries(held)) student.weights.get(name)!.write(weight);
    tf.dispose(held);
  }
}
