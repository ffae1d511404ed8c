/** What trains heads is fetched with the first call: few pages have a use for it. */
import type { VisionTransformer } from '../models/visionTransformer.js';
import type { HeadExamples, HeadTrainingOptions, HeadWeights } from './trainHead.js';

/**
 * Trains heads for classes of one's own on features that stay as they are: AdamW on the cross entropy of all examples at
 * once, with a cosine schedule. Two heads of a distilled model learn together, by the mean of their logits, as they answer.
 * Features are standardised by their mean and deviation over the examples, which is then folded into the weights.
 *
 * @param model whose heads are to be replaced; it is not changed
 * @throws UserError if a class has no example, or there are fewer than two classes
 */
export async function trainHead(
  model: VisionTransformer,
  examples: HeadExamples,
  options: HeadTrainingOptions = {},
): Promise<HeadWeights> {
  return (await import('./trainHead.js')).trainHead(model, examples, options);
}
