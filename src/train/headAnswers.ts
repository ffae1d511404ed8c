import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { sizeOfHeads } from '../models/headWeights.js';
import type { HeadWeights } from './trainHead.js';

/** Logits of rows of headFeatures by such weights: the mean of the heads'. */
export function headAnswers(weights: HeadWeights, features: readonly Float32Array[]): Float64Array[] {
  checkArguments('headAnswers', { weights: ['heads', weights], features: ['rows', features] });
  const names = ['head', 'head_dist'].filter((name) => weights.has(`${name}.kernel`));
  const { classes, width } = sizeOfHeads(weights, names, 'headAnswers');
  return features.map((row, i) => {
    if (row.length !== names.length * width)
      throw new UserError(`example ${i}: expected ${names.length * width} features, got ${row.length}`);
    const logits = new Float64Array(classes);
    for (const [place, name] of names.entries()) {
      const [kernel, bias] = [weights.get(`${name}.kernel`)!, weights.get(`${name}.bias`)!];
      for (let column = 0; column < classes; column++) {
        let sum = bias[column]!;
        for (let i = 0; i < width; i++) sum += row[place * width + i]! * kernel[i * classes + column]!;
        logits[column]! += sum / names.length;
      }
    }
    return logits;
  });
}
