import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel, withGradient } from './dispatch.js';
import { PATCH_EMBED } from './kernelNames.js';
import { columnSums, matrixProduct } from './matrixProduct.js';

/**
 * Cuts a picture into patches of p × p pixels and projects each to D numbers (ViT, arXiv 2010.11929, equation 1).
 *
 * Pixels to the right and below that do not fill a patch are left out, as by torch.nn.Conv2d.
 *
 * @param x float32 [B, H, W, C]
 * @param kernel float32 [p, p, C, D]
 * @param bias float32 [D]
 * @returns float32 [B, ⌊H/p⌋ · ⌊W/p⌋, D], patches row by row
 */
export function patchEmbed(x: tf.Tensor4D, kernel: tf.Tensor4D, bias: tf.Tensor1D): tf.Tensor3D {
  return tf.tidy(() => {
    const inputs = { x: wholePatches(x, kernel.shape[0]), kernel, bias };
    const compute = () => ({
      value: hasKernel(PATCH_EMBED) ? runKernel<tf.Tensor3D>(PATCH_EMBED, inputs, {}) : composed(inputs),
    });
    return withGradient(inputs, compute, patchEmbedGradient);
  });
}

type Inputs = Record<'x' | 'kernel' | 'bias', tf.Tensor | undefined>;

function composed(inputs: Inputs): tf.Tensor3D {
  const { x, kernel, bias } = inputs as { x: tf.Tensor4D; kernel: tf.Tensor4D; bias: tf.Tensor1D };
  const [p, , , dim] = kernel.shape;
  const grid = tf.conv2d(x, kernel, p, 'valid');
  return tf.add(tf.reshape(grid, [x.shape[0], -1, dim]), bias) as tf.Tensor3D;
}

/** The part of a picture that patches of p × p fill. */
function wholePatches(x: tf.Tensor4D, p: number): tf.Tensor4D {
  const [batch, height, width, channels] = x.shape;
  if (height % p === 0 && width % p === 0) return x;
  return tf.slice(x, [0, 0, 0, 0], [batch, height - (height % p), width - (width % p), channels]);
}

/** [B, H, W, C] → [B · H/p · W/p, p · p · C]. */
function toPatches(x: tf.Tensor4D, p: number): tf.Tensor2D {
  const [batch, height, width, channels] = x.shape;
  const split = tf.reshape(x, [batch, height / p, p, width / p, p, channels]);
  return tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4, 5]), [-1, p * p * channels]);
}

/** Gradients by matrix products over the patches. */
function patchEmbedGradient(dy: tf.Tensor, inputs: Inputs) {
  const x = inputs.x as tf.Tensor4D;
  const kernel = inputs.kernel as tf.Tensor4D;
  const [p, , channels, dim] = kernel.shape;
  const [batch, height, width] = x.shape;
  const d = tf.reshape(dy, [-1, dim]) as tf.Tensor2D;
  return {
    x: () => {
      const patches = matrixProduct(d, tf.reshape(kernel, [-1, dim]) as tf.Tensor2D, false, true);
      const split = tf.reshape(patches, [batch, height / p, width / p, p, p, channels]);
      return tf.reshape(tf.transpose(split, [0, 1, 3, 2, 4, 5]), x.shape);
    },
    kernel: () => tf.reshape(matrixProduct(toPatches(x, p), d, true, false), kernel.shape),
    bias: () => columnSums(d),
  };
}
