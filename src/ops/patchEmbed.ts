import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel, withGradient } from './dispatch.js';
import { PATCH_EMBED } from './kernelNames.js';
import { columnSums, matrixProduct } from './matrixProduct.js';

/**
 * Cuts an image into patches of p × q pixels and projects each to D numbers (ViT, arXiv 2010.11929, equation 1).
 *
 * Pixels to the right and below that do not fill a patch are left out, as by torch.nn.Conv2d.
 *
 * @param x float32 [B, H, W, C]
 * @param kernel float32 [p, q, C, D]
 * @param bias float32 [D], or none
 * @returns float32 [B, ⌊H/p⌋ · ⌊W/q⌋, D], patches row by row
 */
export function patchEmbed(x: tf.Tensor4D, kernel: tf.Tensor4D, bias?: tf.Tensor1D): tf.Tensor3D {
  return tf.tidy(() => {
    const [p, q] = kernel.shape;
    const inputs = { x: wholePatches(x, p, q), kernel, bias };
    const compute = () => ({
      value: hasKernel(PATCH_EMBED) && p === q ? fused(inputs) : composed(inputs),
    });
    return withGradient(inputs, compute, patchEmbedGradient);
  });
}

type Inputs = Record<'x' | 'kernel' | 'bias', tf.Tensor | undefined>;

function fused(inputs: Inputs): tf.Tensor3D {
  const bias = inputs.bias ?? tf.zeros([inputs.kernel!.shape[3] as number]);
  return runKernel<tf.Tensor3D>(PATCH_EMBED, { ...inputs, bias }, {});
}

function composed(inputs: Inputs): tf.Tensor3D {
  const { x, kernel, bias } = inputs as { x: tf.Tensor4D; kernel: tf.Tensor4D; bias?: tf.Tensor1D };
  const [p, q, , dim] = kernel.shape;
  const grid = tf.conv2d(x, kernel, [p, q], 'valid');
  const patches = tf.reshape(grid, [x.shape[0], -1, dim]);
  return (bias ? tf.add(patches, bias) : patches) as tf.Tensor3D;
}

/** The part of an image that patches of p × q fill. */
function wholePatches(x: tf.Tensor4D, p: number, q: number): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  if (height % p === 0 && width % q === 0) return x;
  return tf.slice(x, [0, 0, 0, 0], [batch, height - (height % p), width - (width % q), channels]);
}

/** [B, H, W, C] → [B · H/p · W/q, p · q · C]. */
function toPatches(x: tf.Tensor4D, p: number, q: number): tf.Tensor2D {
  const [batch, height, width, channels] = x.shape;
  const split = tf.reshape(x, [batch, height / p, p, width / q, q, channels]);
  return tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4, 5]), [-1, p * q * channels]);
}

/** Gradients by matrix products over the patches. */
function patchEmbedGradient(dy: tf.Tensor, inputs: Inputs) {
  const x = inputs.x as tf.Tensor4D;
  const kernel = inputs.kernel as tf.Tensor4D;
  const [p, q, channels, dim] = kernel.shape;
  const [batch, height, width] = x.shape;
  const d = tf.reshape(dy, [-1, dim]) as tf.Tensor2D;
  return {
    x: () => {
      const patches = matrixProduct(d, tf.reshape(kernel, [-1, dim]) as tf.Tensor2D, false, true);
      const split = tf.reshape(patches, [batch, height / p, width / q, p, q, channels]);
      return tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4, 5]), x.shape);
    },
    kernel: () => tf.reshape(matrixProduct(toPatches(x, p, q), d, true, false), kernel.shape),
    bias: () => columnSums(d),
  };
}
