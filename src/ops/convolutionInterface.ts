/**
 * The operations that convnets are written in, beside those of interface.ts; the training engine has them. Weights are
 * named one by one: they are those of any tf.LayersModel. Pixels are tokens: [B, H · W, C], row by row.
 */

/** How windows lie over the pixels of an image. */
export interface Windows {
  /** Rows and columns of the image. */
  readonly height: number;
  readonly width: number;
  /** Rows and columns of a window. */
  readonly kernel: readonly [number, number];
  /** Rows and columns from one window to the next. */
  readonly strides: readonly [number, number];
  /** Rows and columns of zeros before the image; those behind it follow from the number of windows. */
  readonly padding: readonly [number, number];
  /** Rows and columns of windows. */
  readonly outputHeight: number;
  readonly outputWidth: number;
}

export type PixelActivation = 'relu' | 'silu' | 'sigmoid';

export interface KernelNames {
  readonly kernel: string;
  readonly bias?: string;
}

export interface BatchNormNames {
  readonly gamma?: string;
  readonly beta?: string;
  /** The running statistics, which inference uses and a training step moves on. */
  readonly mean: string;
  readonly variance: string;
}

export interface ConvolutionOps<V> {
  /** Images [B, H, W, C] as pixels [B, H · W, C]. */
  pixels(images: V): V;
  /** Kernel [p, q, C, D]: [B, H · W, C] → [B, H' · W', D]. */
  convolution(x: V, names: KernelNames, windows: Windows): V;
  /** In groups: each part of the channels by a kernel [p, q, C / groups, D / groups] of its own. */
  groupedConvolution(x: V, names: { kernels: readonly string[]; bias?: string }, windows: Windows): V;
  /** Each channel by a kernel of its own, [p, q, C, 1]: [B, H · W, C] → [B, H' · W', C]. */
  depthwiseConvolution(x: V, names: KernelNames, windows: Windows): V;
  /** The largest of each window and channel: [B, H · W, C] → [B, H' · W', C]. */
  maxPool(x: V, windows: Windows): V;
  /** All pixels of an image side by side: [B, T, C] → [B, T · C]. */
  flatten(x: V): V;
  /** x · kernel + bias, and the residual: [..., K] → [..., N]. */
  dense(x: V, names: KernelNames, residual?: V): V;
  /**
   * Batch norm over all but the last axis. In training by the batch's own statistics, whose mean and (biased) variance the
   * running ones take on as running · momentum + batch · (1 − momentum), once a backward pass.
   */
  batchNorm(x: V, names: BatchNormNames, options: { epsilon: number; momentum: number }): V;
  /** Over the last axis, weights gamma and beta. */
  channelNorm(x: V, names: { gamma: string; beta: string }, epsilon: number): V;
  activation(x: V, activation: PixelActivation): V;
  /** x of each image times its factors: [B, T, C], [B, C] → [B, T, C]. */
  gate(x: V, factors: V): V;
  add(a: V, b: V): V;
}
