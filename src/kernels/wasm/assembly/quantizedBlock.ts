/** A whole transformer block with 8-bit linear layers and attention in whole numbers; norms and residuals are float32. */
import { attendHead, headScratchBytes, partsOfHead, queriesOfPart } from './attention';
import { attendQuantized, attendsQuantized, quantizedAttentionScratchBytes } from './quantizedAttention';
import {
  Epilogue, layOutWorkspace, multiplyQuantized, ownBytes, sharedBytes, WORKSPACE_BYTES,
} from './quantizedLinear';
import { beginStages, nextChunk, openStage, Stages, threadsOf } from './workQueue';
import { aligned } from './scratch';
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

// A thread's own scratch memory, in this order; attention and the products come after each other, in the same place.
const EPILOGUE: usize = 0;
const STAGES: usize = 64;
const CONSTANTS: usize = 128;
const WORK: usize = CONSTANTS + CONSTANTS_BYTES;

function threadBytes(t: i32, d: i32, heads: i32, hidden: i32, prefix: i32): usize {
  const head = d / heads;
  const attention = attendsQuantized(head) ? quantizedAttentionScratchBytes(t, head) : headScratchBytes(t, head);
  return aligned(WORK + max(ownBytes(t, max(d, hidden), prefix), WORKSPACE_BYTES + attention));
}

/** Bytes of scratch memory that `quantizedBlock` needs. */
export function quantizedBlockScratchBytes(
  t: i32, d: i32, heads: i32, hidden: i32, prefix: i32, threads: i32,
): usize {
  const inner = aligned(<usize>t * <usize>max(3 * d, hidden) * 4) + aligned(<usize>t * <usize>d * 4);
  const own = <usize>max(threads, 1) * threadBytes(t, d, heads, hidden, prefix);
  return inner + sharedBytes(t, max(d, hidden), prefix) + own + 64;
}

/**
 * y = x + scale1 · attention(norm1(x)); y = y + scale2 · mlp(norm2(y))
 *
 * @param x [b, t, d]; its first `prefix` tokens are computed with more bits
 * @param weights BlockWeights
 * @param y [b, t, d], not x
 * @param scratch quantizedBlockScratchBytes(t, d, heads, hidden, prefix, threads) bytes
 * @param queue of the threads that are called with the same arguments, each its own `thread` from 0 on
 */
export function quantizedBlock(
  x: usize, b: i32, t: i32, d: i32, heads: i32, hidden: i32, prefix: i32, epsilon: f32, weights: usize,
  y: usize, scratch: usize, queue: usize, thread: i32,
): void {
  const w = changetype<BlockWeights>(weights);
  const widest = max(d, hidden);
  const wide = aligned(scratch);
  const attended = wide + aligned(<usize>t * <usize>max(3 * d, hidden) * 4);
  const shared = attended + aligned(<usize>t * <usize>d * 4);
  const own =
    shared + sharedBytes(t, widest, prefix) + <usize>thread * threadBytes(t, d, heads, hidden, prefix);
  const epilogue = changetype<Epilogue>(own + EPILOGUE);
  const stages = changetype<Stages>(own + STAGES);
  const constants = own + CONSTANTS;
  const image = <usize>t * <usize>d * 4;
  const workspace = layOutWorkspace(own + WORK, shared, t, widest, prefix, constants, stages);
  storeConstants(constants);
  beginStages(stages, queue);
  for (let i = 0; i < b; i++) {
    setEpilogue(epilogue, w.qkvBias, false, 0, 0);
    multiplyQuantized(x, t, d, 3 * d, w.norm1Gamma, w.norm1Beta, epsilon, prefix, w.qkv, epilogue, wide, workspace);
    attend(wide, t, heads, d / heads, attended, own + WORK + WORKSPACE_BYTES, stages);
    setEpilogue(epilogue, w.projBias, false, w.scale1, x);
    multiplyQuantized(attended, t, d, d, 0, 0, 0, prefix, w.proj, epilogue, y, workspace);

    setEpilogue(epilogue, w.fc1Bias, true, 0, 0);
    multiplyQuantized(y, t, d, hidden, w.norm2Gamma, w.norm2Beta, epsilon, prefix, w.fc1, epilogue, wide, workspace);
    setEpilogue(epilogue, w.fc2Bias, false, w.scale2, y);
    multiplyQuantized(wide, t, hidden, d, 0, 0, 0, prefix, w.fc2, epilogue, y, workspace);
    x += image;
    y += image;
  }
}

/** Takes part in the attention of one image; qkv [t, 3, heads, d], y [t, heads, d]. */
function attend(qkv: usize, t: i32, heads: i32, d: i32, y: usize, scratch: usize, stages: Stages): void {
  const width = <usize>(heads * d) << 2;
  const parts = partsOfHead(heads, t, threadsOf(stages.queue));
  const queries = queriesOfPart(t, parts);
  for (let chunk = openStage(stages, heads * parts); chunk >= 0; chunk = nextChunk(stages)) {
    const first = (chunk % parts) * queries;
    const end = min(first + queries, t);
    const offset = <usize>((chunk / parts) * d) << 2;
    if (attendsQuantized(d)) attendQuantized(qkv + offset, width, t, d, first, end, y + offset, scratch);
    else attendHead(qkv + offset, width, t, d, first, end, y + offset, scratch);
  }
}

function setEpilogue(epilogue: Epilogue, bias: usize, gelu: bool, layerScale: usize, residual: usize): void {
  epilogue.bias = bias;
  epilogue.gelu = gelu;
  epilogue.layerScale = layerScale;
  epilogue.residual = residual;
}
