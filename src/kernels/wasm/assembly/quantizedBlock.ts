/** A whole transformer block with 8-bit linear layers and attention in whole numbers; norms and residuals are float32. */
import { attention, attentionScratchBytes } from './attention';
import { attendQuantized, attendsQuantized, quantizedAttentionScratchBytes } from './quantizedAttention';
import { Ending, layOutWorkspace, multiplyQuantized, workspaceBytes } from './quantizedLinear';
import { CONSTANTS_BYTES, storeConstants } from './simd';

/** Addresses of a block's weights; 0 for those that it lacks. Matrices are what packQuantized made. */
// @ts-ignore: decorator
@unmanaged
export class BlockWeights {
  norm1Gamma: usize;
  norm1Beta: usize;
  qkv: usize;
  qkvBias: usize;
  proj: usize;
  projBias: usize;
  scale1: usize;
  norm2Gamma: usize;
  norm2Beta: usize;
  fc1: usize;
  fc1Bias: usize;
  fc2: usize;
  fc2Bias: usize;
  scale2: usize;
}

const ENDING_BYTES: usize = 64;
/** A queue of attention's chunks for one thread, with room to fill a line. */
const QUEUE_BYTES: usize = 64;

/** Bytes of scratch memory that `quantizedBlock` needs. */
export function quantizedBlockScratchBytes(t: i32, d: i32, heads: i32, hidden: i32, prefix: i32): usize {
  const inner = <usize>t * <usize>(max(3 * d, hidden) + d) * 4 + 128;
  return (
    ENDING_BYTES + QUEUE_BYTES + CONSTANTS_BYTES + workspaceBytes(t, max(d, hidden), prefix) + inner +
    max(attentionScratchBytes(t, d / heads, 1), quantizedAttentionScratchBytes(t, d / heads))
  );
}

/**
 * y = x + scale1 · attention(norm1(x)); y = y + scale2 · mlp(norm2(y))
 *
 * @param x [b, t, d]; its first `prefix` tokens are computed with more bits
 * @param weights BlockWeights
 * @param y [b, t, d], not x
 * @param scratch quantizedBlockScratchBytes(t, d, heads, hidden, prefix) bytes
 */
export function quantizedBlock(
  x: usize, b: i32, t: i32, d: i32, heads: i32, hidden: i32, prefix: i32, epsilon: f32, weights: usize,
  y: usize, scratch: usize,
): void {
  const w = changetype<BlockWeights>(weights);
  const ending = changetype<Ending>(scratch);
  const queue = scratch + ENDING_BYTES;
  const constants = queue + QUEUE_BYTES;
  storeConstants(constants);
  const at = constants + CONSTANTS_BYTES;
  const widest = max(d, hidden);
  const workspace = layOutWorkspace(at, t, widest, prefix, constants);
  const wide = (at + workspaceBytes(t, widest, prefix) + 63) & ~63;
  const attended = (wide + <usize>t * <usize>max(3 * d, hidden) * 4 + 63) & ~63;
  const attentionScratch = attended + <usize>t * <usize>d * 4;
  const picture = <usize>t * <usize>d * 4;
  for (let i = 0; i < b; i++) {
    setEnding(ending, w.qkvBias, false, 0, 0);
    multiplyQuantized(x, t, d, 3 * d, w.norm1Gamma, w.norm1Beta, epsilon, prefix, w.qkv, ending, wide, workspace);
    if (attendsQuantized(d / heads)) {
      attendQuantized(wide, t, heads, d / heads, attended, attentionScratch);
    } else {
      memory.fill(queue, 0, QUEUE_BYTES);
      store<i32>(queue, 1, 12);
      attention(wide, 1, t, heads, d / heads, attended, attentionScratch, queue, 0);
    }
    setEnding(ending, w.projBias, false, w.scale1, x);
    multiplyQuantized(attended, t, d, d, 0, 0, 0, prefix, w.proj, ending, y, workspace);

    setEnding(ending, w.fc1Bias, true, 0, 0);
    multiplyQuantized(y, t, d, hidden, w.norm2Gamma, w.norm2Beta, epsilon, prefix, w.fc1, ending, wide, workspace);
    setEnding(ending, w.fc2Bias, false, w.scale2, y);
    multiplyQuantized(wide, t, hidden, d, 0, 0, 0, prefix, w.fc2, ending, y, workspace);
    x += picture;
    y += picture;
  }
}

function setEnding(ending: Ending, bias: usize, gelu: bool, layerScale: usize, residual: usize): void {
  ending.bias = bias;
  ending.gelu = gelu;
  ending.layerScale = layerScale;
  ending.residual = residual;
}
