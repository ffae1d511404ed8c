import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { topIndices } from '../models/classify.js';

/** What a model said of one image. */
export interface ImagePrediction {
  /** Class index of the truth. */
  label: number;
  /** The five most probable classes, most probable first (fewer for a model with fewer classes). */
  top5: number[];
  /** Their logits. */
  logits: number[];
  /** Cross-entropy in nats. */
  loss: number;
}

/**
 * Cross-entropy of one image's logits [classes] in nats, with the class of the truth.
 *
 * @param name of the image, for errors
 * @throws UserError if the model has no class `label`
 */
export function crossEntropy(logits: ArrayLike<number>, label: number, name = 'an image'): number {
  checkArguments('crossEntropy', { logits: ['numbers', logits] });
  const truth = logits[label];
  if (truth === undefined) {
    throw new UserError(
      `${name}: is of class ${label}, and the model has the classes 0 to ${logits.length - 1}`,
    );
  }
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) max = Math.max(max, logits[i]!);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - max);
  return Math.log(sum) + max - truth;
}

/**
 * What a model said of an image.
 *
 * @param name of the image, for errors
 * @param label class index of the truth
 * @param logits [classes]
 * @throws UserError if a logit is NaN or infinite: no class is the most probable one then; if the model has no class
 *   `label`
 */
export function predictionOf(name: string, label: number, logits: ArrayLike<number>): ImagePrediction {
  checkArguments('predictionOf', { logits: ['numbers', logits] });
  requireFinite(name, logits);
  const top5 = topIndices(logits, 5);
  return {
    label,
    top5,
    logits: top5.map((index) => logits[index]!),
    loss: crossEntropy(logits, label, name),
  };
}

function requireFinite(name: string, logits: ArrayLike<number>): void {
  for (let i = 0; i < logits.length; i++) {
    if (Number.isFinite(logits[i])) continue;
    throw new UserError(
      `${name}: the model's logit for class ${i} is ${logits[i]}; a weight or the preprocessing is not finite, or values ` +
        'overflow: convert the checkpoint again, or try another --backend',
    );
  }
}
