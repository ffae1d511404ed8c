/**
 * DeiT-tiny on ImageNet-1k from scratch, the paper's recipe (DeiT, arXiv 2012.12877, table 9): 72.2 % top-1 in 300
 * epochs. All that is not said here is DEFAULT_CONFIG, which is that recipe.
 *
 *     deit train deit-tiny --data.path imagenet/train --val.path imagenet/val --output deit-tiny-run
 */
import type { PartialConfig } from '../../src/train/config.js';

export const deitTiny: PartialConfig = {
  model: { name: 'deit_tiny_patch16_224', dropPathRate: 0.1 },
  batchSize: 64,
  accumulate: 16,
};
