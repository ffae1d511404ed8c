import { Random } from '../../random.js';
import type { MixConfig } from '../config.js';
import type { TrainBatch } from '../loader.js';
import { beta } from './beta.js';

const { fround } = Math;

/** Rows and columns from … up to … that cutmix takes from the other image. */
interface Box {
  readonly top: number;
  readonly bottom: number;
  readonly left: number;
  readonly right: number;
}

/** What is done to a batch: the share of each image's own label, and the box of cutmix if it is that. */
interface Mixing {
  readonly lambda: number;
  readonly box?: Box;
}

/**
 * timm's Mixup in mode `batch`: each image is mixed with the one at the same place from the batch's end, either all
 * pixels (mixup, arXiv 1710.09412) or a box of them (cutmix, arXiv 1905.04899), and so are the smoothed labels. The
 * pixels are changed in place; the targets are float32 [B, numClasses], each row a distribution. Without mixing, the
 * targets alone are smoothed.
 *
 * @param options.smoothing label smoothing of timm's mixup_target
 */
export function mixBatch(
  { pixels, labels }: Pick<TrainBatch, 'pixels' | 'labels'>,
  imgSize: readonly [number, number],
  options: MixConfig & { readonly numClasses: number; readonly smoothing: number },
  seed: number,
): { pixels: Float32Array; targets: Float32Array } {
  const { lambda, box } = drawMixing(options, imgSize, Random.fromSeed(seed));
  if (box) cutmix(pixels, labels.length, imgSize, box);
  else if (lambda !== 1) mixup(pixels, labels.length, lambda);
  return { pixels, targets: mixedTargets(labels, options.numClasses, options.smoothing, lambda) };
}

function drawMixing(config: MixConfig, imgSize: readonly [number, number], random: Random): Mixing {
  const { mixup, cutmix, prob, switchProb } = config;
  if ((mixup === 0 && cutmix === 0) || random.uniform() >= prob) return { lambda: 1 };
  const cut = cutmix > 0 && (mixup === 0 || random.uniform() < switchProb);
  const lambda = beta(random, cut ? cutmix : mixup);
  if (!cut || lambda === 1) return { lambda };
  const box = drawBox(imgSize, lambda, random);
  const area = (box.bottom - box.top) * (box.right - box.left);
  return { lambda: 1 - area / (imgSize[0] * imgSize[1]), box };
}

/**
 * timm's rand_bbox: around a random pixel, 1 − lambda of the area where no border cuts it. Of an odd number of rows or
 * columns one more lies behind the pixel, as in timm 1.0.31; before, it was left out.
 */
function drawBox([height, width]: readonly [number, number], lambda: number, random: Random): Box {
  const ratio = Math.sqrt(1 - lambda);
  const rows = Math.trunc(height * ratio);
  const columns = Math.trunc(width * ratio);
  const y = random.integer(height);
  const x = random.integer(width);
  return {
    top: Math.max(0, y - (rows >> 1)),
    bottom: Math.min(height, y + ((rows + 1) >> 1)),
    left: Math.max(0, x - (columns >> 1)),
    right: Math.min(width, x + ((columns + 1) >> 1)),
  };
}

/** The place in the batch that an image is mixed with. */
const partner = (i: number, count: number) => count - 1 - i;

function mixup(pixels: Float32Array, count: number, lambda: number): void {
  const length = pixels.length / count;
  const own = fround(lambda);
  const other = fround(1 - lambda);
  for (let i = 0; i <= partner(i, count); i++) {
    const a = pixels.subarray(i * length, (i + 1) * length);
    const b = pixels.subarray(partner(i, count) * length).subarray(0, length);
    for (let p = 0; p < length; p++) {
      const [x, y] = [a[p]!, b[p]!];
      a[p] = fround(x * own) + fround(y * other);
      b[p] = fround(y * own) + fround(x * other);
    }
  }
}

function cutmix(
  pixels: Float32Array,
  count: number,
  [height, width]: readonly [number, number],
  box: Box,
): void {
  const length = height * width * 3;
  for (let i = 0; i < partner(i, count); i++) {
    for (let y = box.top; y < box.bottom; y++) {
      const begin = (y * width + box.left) * 3;
      const end = (y * width + box.right) * 3;
      const a = pixels.subarray(i * length + begin, i * length + end);
      const b = pixels.subarray(partner(i, count) * length + begin, partner(i, count) * length + end);
      const kept = a.slice();
      a.set(b);
      b.set(kept);
    }
  }
}

/** timm's mixup_target: lambda · smoothed label + (1 − lambda) · the partner's, in float32. */
function mixedTargets(
  labels: Int32Array,
  numClasses: number,
  smoothing: number,
  lambda: number,
): Float32Array {
  const off = smoothing / numClasses;
  const on = fround(1 - smoothing + off);
  const own = fround(lambda);
  const other = fround(1 - lambda);
  const count = labels.length;
  const target = (label: number, c: number) => (label === c ? on : fround(off));
  const targets = new Float32Array(count * numClasses);
  for (let i = 0; i < count; i++) {
    const [a, b] = [labels[i]!, labels[partner(i, count)]!];
    for (let c = 0; c < numClasses; c++) {
      targets[i * numClasses + c] = fround(target(a, c) * own) + fround(target(b, c) * other);
    }
  }
  return targets;
}
