import { topIndices } from '../models/classify.js';

/** What the model said of one picture; a line of the predictions file. */
export interface PicturePrediction {
  /** Path below the val folder, with forward slashes. */
  file: string;
  /** Class index of the truth. */
  label: number;
  /** The five most probable classes, most probable first (fewer for a model with fewer classes). */
  top5: number[];
  /** Their logits. */
  logits: number[];
  /** Cross-entropy in nats. */
  loss: number;
}

/** Cross-entropy of one picture's logits [classes] in nats, with the class of the truth. */
export function crossEntropy(logits: ArrayLike<number>, label: number): number {
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i]);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - max);
  return Math.log(sum) + max - logits[label];
}

export function predictionOf(file: string, label: number, logits: ArrayLike<number>): PicturePrediction {
  const top5 = topIndices(logits, 5);
  return {
    file,
    label,
    top5,
    logits: top5.map((index) => logits[index]),
    loss: crossEntropy(logits, label),
  };
}
