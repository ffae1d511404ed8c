/**
 * Names under which src/kernels registers faster versions of the ops, with tf.registerKernel. An op runs the
 * kernel of the current backend where there is one, and is composed of tf ops where there is none.
 */

/**
 * y = activation(x · kernel + bias) * scale + residual.
 * Inputs: x [..., K], kernel [K, N], bias [N]?, scale [N]?, residual [..., N]?; attrs {activation: 'gelu' | 'none'};
 * output [..., N]. `gelu` is the exact one, by erf.
 */
export const LINEAR = 'DeitLinear';

/** Inputs: x [..., D], gamma [D], beta [D]; attrs {epsilon}; output [..., D]; normalised over the last axis. */
export const LAYER_NORM = 'DeitLayerNorm';

/**
 * softmax(q kᵀ / √d) v for every head. Input: qkv [B, T, 3D], its last axis q, k, v and within each the heads;
 * attrs {numHeads}; output [B, T, D], heads side by side.
 */
export const ATTENTION = 'DeitAttention';

/**
 * The gradient of ATTENTION. Inputs: qkv [B, T, 3D], dy [B, T, D]; attrs {numHeads}; output [B, T, 3D]. The width of
 * a head is a multiple of 4.
 */
export const ATTENTION_GRADIENT = 'DeitAttentionGradient';

/** The exact GELU's. Inputs: x, dy of one shape; output dy · (Φ(x) + x φ(x)). */
export const GELU_GRADIENT = 'DeitGeluGradient';

/** Inputs: x [B, H, W, C], kernel [p, p, C, D], bias [D]; output [B, H/p · W/p, D], patches row by row. */
export const PATCH_EMBED = 'DeitPatchEmbed';

/**
 * A transformer block with quantized matrices. Inputs: x [B, T, D], norm1Gamma, norm1Beta, qkvCodes [D, 3D], qkvScale,
 * qkvBias?, projCodes, projScale, projBias?, scale1?, norm2Gamma, norm2Beta, fc1Codes [D, hidden], fc1Scale, fc1Bias?,
 * fc2Codes, fc2Scale, fc2Bias?, scale2?; attrs {numHeads, epsilon, prefixTokens}; output [B, T, D].
 */
export const QUANTIZED_BLOCK = 'DeitQuantizedBlock';
