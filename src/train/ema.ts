import * as tf from '@tensorflow/tfjs-core';
import type { ByWeight } from './optimizer/index.js';
import type { Student } from './student.js';

/** A copy of the weights that learn, to start the running mean from. */
export function initialEma(student: Student): ByWeight {
  const copies = () => student.trainable.map((name) => [name, tf.clone(student.weights.get(name)!.read())]);
  return Object.fromEntries(student.onBackend(copies));
}

/** decay · mean + (1 − decay) · weight (timm's ModelEma); frees the old means. */
export function updateEma(ema: ByWeight, student: Student, decay: number): ByWeight {
  const compute = () => {
    const next = ([name, old]: [string, tf.Tensor]) => [
      name,
      tf.add(tf.mul(old, decay), tf.mul(student.weights.get(name)!.read(), 1 - decay)),
    ];
    return Object.fromEntries(Object.entries(ema).map(next)) as ByWeight;
  };
  const mean = student.onBackend(() => tf.tidy(compute));
  tf.dispose(ema);
  return mean;
}

/** Puts the means in the weights' place while `run` works, and the weights back after it. */
export async function withEma<T>(ema: ByWeight, student: Student, run: () => Promise<T>): Promise<T> {
  const held = initialEma(student);
  const put = (values: ByWeight) =>
    student.onBackend(() => {
      for (const [name, value] of Object.entries(values)) student.weights.get(name)!.write(value);
    });
  try {
    put(ema);
    return await run();
  } finally {
    put(held);
    tf.dispose(held);
  }
}
