/** All that is shown of one forward pass, as one row an image: for engines that give attention weights. */
import { numPrefixTokens, type VitConfig } from '../families/vit/config.js';
import { encode, headsOf, type VitOps } from '../families/vit/forward.js';

/**
 * Every head's logits, the patches' tokens after the final norm (T - prefix, D), and each block's attention weights (heads,
 * T, T), one behind the other: images [B, H, W, C] → [B, n].
 */
export function inspectionForward<V>(ops: VitOps<V>, config: VitConfig, images: V): V {
  const attention: V[] = [];
  const watch = {
    attention: (...seen: Parameters<NonNullable<VitOps<V>['attentionWeights']>>) => {
      attention.push(ops.attentionWeights!(...seen));
    },
  };
  const tokens = encode(ops, config, images, { watch });
  const patches = ops.flatten!(ops.tokensFrom(tokens, numPrefixTokens(config)));
  return ops.concat([...headsOf(ops, config, tokens), patches, ...attention]);
}
