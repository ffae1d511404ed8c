import * as tf from '@tensorflow/tfjs-core';

/**
 * A convolution of 3 × 3 with a border of one zero, as torch.nn.Conv2d(kernel_size=3, padding=1) has it.
 *
 * @param x float32 [B, H, W, C]
 * @param kernel float32 [3, 3, C, D]
 * @returns float32 [B, ⌈H / stride⌉, ⌈W / stride⌉, D]
 */
export function convolve3x3(x: tf.Tensor4D, kernel: tf.Tensor4D, stride: 1 | 2): tf.Tensor4D {
  if (stride === 1) return tf.conv2d(x, kernel, 1, 'same');
  // TensorFlow's own padding sets the first window elsewhere than PyTorch's where the sides are even.
  const border: [number, number] = [1, 1];
  return tf.tidy(() => tf.conv2d(tf.pad(x, [[0, 0], border, border, [0, 0]]), kernel, stride, 'valid'));
}

/**
 * A convolution in groups (torch.nn.Conv2d(groups=kernels.length)): each part of the channels by a kernel of its own.
 * tfjs has none; a convolution a group lets every backend use its best.
 *
 * @param x float32 [B, H, W, C]
 * @param kernels float32 [3, 3, C / groups, D / groups] each
 * @returns float32 [B, ⌈H / stride⌉, ⌈W / stride⌉, D]
 */
export function groupedConvolve3x3(
  x: tf.Tensor4D,
  kernels: readonly tf.Tensor4D[],
  stride: 1 | 2,
): tf.Tensor4D {
  if (kernels.length === 1) return convolve3x3(x, kernels[0]!, stride);
  return tf.tidy(() => {
    const parts = tf.split(x, kernels.length, 3) as tf.Tensor4D[];
    return tf.concat(
      kernels.map((kernel, group) => convolve3x3(parts[group]!, kernel, stride)),
      3,
    );
  });
}

/** Every second pixel of every second row, from the first: what a convolution of 1 × 1 with stride 2 reads. */
export function halved(x: tf.Tensor4D): tf.Tensor4D {
  return tf.stridedSlice(x, [0, 0, 0, 0], x.shape, [1, 2, 2, 1]) as tf.Tensor4D;
}

/** The mean over rows and columns: [B, H, W, C] → [B, C]. */
export function spatialMean(x: tf.Tensor4D): tf.Tensor2D {
  const [batch, height, width, channels] = x.shape;
  // As pooling: tf.mean over inner axes transposes first on some backends.
  return tf.tidy(() => tf.reshape(tf.avgPool(x, [height, width], 1, 'valid'), [batch, channels]));
}
