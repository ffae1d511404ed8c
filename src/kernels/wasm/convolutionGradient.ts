/**
 * The gradients of convolutions on the WASM backend: tfjs has none there for the filter, and one number at a time for
 * the image. Without them no convnet is trained in a minute, and a student's teacher is one. Both are a matrix product
 * with the image's patches as rows (im2col).
 */
import * as tf from '@tensorflow/tfjs-core';
import { matrixProduct } from '../../ops/matrixProduct.js';

const BACKEND = 'wasm';
const FILTER = 'Conv2DBackpropFilter';
const INPUT = 'Conv2DBackpropInput';

type Shape4 = [number, number, number, number];
type Info = tf.backend_util.Conv2DInfo;

interface Attrs {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number | tf.backend_util.ExplicitPadding;
  dataFormat: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
  filterShape: Shape4;
  inputShape: Shape4;
}

/** Registers both, in the place of tfjs' own. */
export function registerConvolutionGradient(): void {
  replaceKernel<'x' | 'dy'>(FILTER, ({ x, dy }, attrs) => filterGradient(x, dy, attrs));
  replaceKernel<'dy' | 'filter'>(INPUT, ({ dy, filter }, attrs) => inputGradient(dy, filter, attrs));
}

function replaceKernel<I extends string>(
  kernelName: string,
  run: (inputs: Record<I, tf.TensorInfo>, attrs: Attrs) => tf.TensorInfo,
): void {
  if (tf.getKernel(kernelName, BACKEND) != null) tf.unregisterKernel(kernelName, BACKEND);
  tf.registerKernel({
    kernelName,
    backendName: BACKEND,
    kernelFunc: ({ inputs, attrs }) => run(inputs as Record<I, tf.TensorInfo>, attrs as unknown as Attrs),
  });
}

/** x float32 [B, H, W, C], dy float32 [B, h, w, N] → float32 [kh, kw, C, N]. */
function filterGradient(x: tf.TensorInfo, dy: tf.TensorInfo, attrs: Attrs): tf.TensorInfo {
  const info = convolution(FILTER, x.shape as Shape4, attrs.filterShape, attrs);
  return tf.tidy(() => {
    const patches = tf.tensor2d(patchRows(values(x), info), [positions(info), patchSize(info)]);
    const rows = tf.tensor2d(values(dy), [positions(info), info.outChannels]);
    // As the transpose of its transpose: dy has fewer columns than the patches to be transposed.
    return tf.reshape(tf.transpose(matrixProduct(rows, patches, true)), attrs.filterShape);
  });
}

/** dy float32 [B, h, w, N], filter float32 [kh, kw, C, N] → float32 [B, H, W, C]. */
function inputGradient(dy: tf.TensorInfo, filter: tf.TensorInfo, attrs: Attrs): tf.TensorInfo {
  const info = convolution(INPUT, attrs.inputShape, filter.shape as Shape4, attrs);
  return tf.tidy(() => {
    const rows = tf.tensor2d(values(dy), [positions(info), info.outChannels]);
    const weights = tf.tensor2d(values(filter), [patchSize(info), info.outChannels]);
    const patches = matrixProduct(rows, weights, false, true);
    return tf.tensor(sumOfPatches(values(patches), info), attrs.inputShape);
  });
}

function convolution(kernel: string, input: Shape4, filter: Shape4, attrs: Attrs): Info {
  const { strides, pad, dataFormat, dimRoundingMode } = attrs;
  if (dataFormat !== 'NHWC') throw new Error(`${kernel}: NHWC only, got ${dataFormat}`);
  return tf.backend_util.computeConv2DInfo(input, filter, strides, 1, pad, dimRoundingMode);
}

const values = (tensor: tf.TensorInfo) => tf.engine().readSync(tensor.dataId) as Float32Array;
const patchSize = (info: Info) => info.filterHeight * info.filterWidth * info.inChannels;
const positions = (info: Info) => info.batchSize * info.outHeight * info.outWidth;

/** What the filter sees at each output position, a row each: [B · h · w, kh · kw · C]. */
function patchRows(x: Float32Array, info: Info): Float32Array {
  const out = new Float32Array(patchSize(info) * positions(info));
  const { runs, patchStep, imageStep } = runsOf(info);
  for (let b = 0; b < info.batchSize; b++) {
    for (let run = 0; run < runs.length; run += 3) {
      const patch = b * patchStep + runs[run]!;
      const image = b * imageStep + runs[run + 1]!;
      const length = runs[run + 2]!;
      for (let i = 0; i < length; i++) out[patch + i] = x[image + i]!;
    }
  }
  return out;
}

/** Patches [B · h · w, kh · kw · C] put back where they lie in the image, and added up: [B, H, W, C]. */
function sumOfPatches(patches: Float32Array, info: Info): Float32Array {
  const { runs, patchStep, imageStep } = runsOf(info);
  const out = new Float32Array(info.batchSize * imageStep);
  for (let b = 0; b < info.batchSize; b++) {
    for (let run = 0; run < runs.length; run += 3) {
      const patch = b * patchStep + runs[run]!;
      const image = b * imageStep + runs[run + 1]!;
      const length = runs[run + 2]!;
      for (let i = 0; i < length; i++) out[image + i]! += patches[patch + i]!;
    }
  }
  return out;
}

/** The runs of an image, and how many numbers an image has of patches and of its own. */
interface Runs {
  /** For each run where it begins in the patches, where in the image, and its length. */
  readonly runs: Int32Array;
  readonly patchStep: number;
  readonly imageStep: number;
}

/**
 * Every run of numbers that lie side by side both in an image's patches and in the image: what a row of the filter sees
 * at an output position, without the border.
 */
function runsOf(info: Info): Runs {
  const { inHeight, inWidth, inChannels, outHeight, outWidth, filterHeight, filterWidth } = info;
  const { top, left } = info.padInfo;
  const runs: number[] = [];
  let at = 0;
  for (let oy = 0; oy < outHeight; oy++) {
    for (let ox = 0; ox < outWidth; ox++) {
      const x0 = ox * info.strideWidth - left;
      const [first, end] = [Math.max(0, x0), Math.min(inWidth, x0 + filterWidth)];
      for (let ky = 0; ky < filterHeight; ky++, at += filterWidth * inChannels) {
        const y = oy * info.strideHeight - top + ky;
        if (y < 0 || y >= inHeight) continue;
        const image = (y * inWidth + first) * inChannels;
        runs.push(at + (first - x0) * inChannels, image, (end - first) * inChannels);
      }
    }
  }
  return { runs: Int32Array.from(runs), patchStep: at, imageStep: inHeight * inWidth * inChannels };
}
