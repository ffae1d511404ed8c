/**
 * DeiT-tiny with a distillation token under RegNetY-16GF (DeiT, section 5): hard distillation, 74.5 % top-1 in 300
 * epochs. The teacher is regnety_160-a5fe301d.pth, or any other that knows the same classes.
 *
 *     deit train deit-tiny-distilled --data.path imagenet/train --val.path imagenet/val \
 *       --distillation.teacher regnety_160-a5fe301d.pth --output deit-tiny-distilled-run
 */
import type { PartialConfig } from '../../src/train/config.js';

export const deitTinyDistilled: PartialConfig = {
  model: { name: 'deit_tiny_distilled_patch16_224', dropPathRate: 0.1 },
  distillation: { type: 'hard', alpha: 0.5 },
  batchSize: 64,
  accumulate: 16,
};
