/** Records the operations of convnets, see src/ops/convolutionInterface.ts. */
import { UserError } from '../../../errors.js';
import type {
  BatchNormNames,
  ConvolutionOps,
  KernelNames,
  PixelActivation,
  Windows,
} from '../../../ops/convolutionInterface.js';
import { ACTIVATIONS } from '../record.js';
import { paddedWidth } from '../weightLayout.js';
import { type Operand, Recorder, Untrainable, type Value } from './record.js';
import { type Fields, TRANSPOSED } from './steps.js';

/** By the numbers of assembly/epilogue.ts and assembly/slopes.ts. */
const PIXEL_ACTIVATIONS: Record<PixelActivation, number> = {
  relu: ACTIVATIONS.relu,
  silu: ACTIVATIONS.silu,
  sigmoid: 8,
};

/** What the sums over channels are for, by the numbers of assembly/channels.ts. */
const SUMS = { mean: 0, variance: 1, gradient: 2, known: 3 } as const;

function windowFields(windows: Windows): Fields {
  const { kernel, strides, padding } = windows;
  return {
    p0: kernel[0],
    p1: kernel[1],
    p2: windows.outputHeight,
    p3: windows.outputWidth,
    p4: windows.height,
    p5: windows.width,
    p6: strides[0],
    p7: strides[1],
    p8: padding[0],
    p9: padding[1],
  };
}

/** Channels from `column` on. */
function columnsOf(operand: Operand, column: number): Operand {
  const { bytes, stride } = operand;
  return { bytes, stride, within: { operand, offset: column * 4 } };
}

/** Of batch norm: n channels, m rows, p1 floats a line, epsilon, and where gamma is (0 without one). */
type ChannelFields = Fields & Record<'n' | 'm' | 'p1' | 'epsilon' | 'gamma', number>;

interface Statistics {
  readonly mean: Operand;
  /** Two lines: the variance, and the scale by which pixels are multiplied. */
  readonly lines: Operand;
  readonly scale: Operand;
}

interface BatchNormStep extends Pick<BatchNormNames, 'gamma' | 'beta'> {
  readonly fields: ChannelFields;
  readonly statistics: Statistics;
}

function linesOf(count: number, { p1: line }: ChannelFields): Operand {
  return { bytes: count * line * 4, stride: line * 4 };
}

export class ConvolutionRecorder extends Recorder implements ConvolutionOps<Value> {
  pixels(images: Value): Value {
    const { imageShape, operand } = images;
    if (!imageShape) throw new Untrainable('a convnet takes images');
    const [height, width, channels] = imageShape;
    const pixels = { bytes: operand.bytes, stride: channels * 4, within: { operand, offset: 0 } };
    return { operand: pixels, tokens: height * width, width: channels, learns: false };
  }

  convolution(x: Value, names: KernelNames, windows: Windows): Value {
    this.checkPixels(x, names.kernel, windows);
    return this.product(this.unfolded(x, windows), names, this.shapeOf(names.kernel).at(-1)!, {});
  }

  groupedConvolution(
    x: Value,
    { kernels, bias }: { kernels: readonly string[]; bias?: string },
    windows: Windows,
  ): Value {
    this.checkPixels(x, kernels[0]!, windows);
    if (kernels.length === 1) {
      return this.convolution(x, { kernel: kernels[0]!, ...(bias ? { bias } : {}) }, windows);
    }
    const width = x.width / kernels.length;
    const learns = x.learns || this.anyLearns([...kernels, ...(bias ? [bias] : [])]);
    const tokens = windows.outputHeight * windows.outputWidth;
    const n = this.shapeOf(kernels[0]!).at(-1)!;
    const y = this.value(tokens, n * kernels.length, learns);
    const k = this.sizeOf(kernels[0]!) / n;
    const m = this.rowsOf(y);
    const { places, trainable } = this.options;
    const partOf = (operand: Operand, g: number): Value => ({
      operand: columnsOf(operand, g * width),
      tokens: x.tokens,
      width,
      learns: false,
    });
    const unfold = (g: number) => this.unfolded(partOf(x.operand, g), windows).operand;
    for (const [g, kernel] of kernels.entries()) {
      this.step('product', 0, {
        reads: { a: unfold(g), b: this.rowsOfWeight('weights', kernel, n) },
        writes: { y: columnsOf(y.operand, g * n) },
        // Exact: a tile's columns past n are those of the next group.
        fields: { m, n, k, exact: 1, bias: bias ? this.addressOf(bias) + g * n * 4 : places.zeros },
      });
    }
    this.back(y, (dy) => {
      for (const [g, kernel] of kernels.entries()) {
        if (!trainable.has(kernel)) continue;
        this.step('product', 0, {
          reads: { a: unfold(g), b: columnsOf(dy, g * n) },
          writes: { y: this.gradientOf(kernel, n) },
          fields: {
            m: k,
            n,
            k: m,
            aKind: TRANSPOSED,
            bias: places.zeros,
            exact: 1,
            accumulate: places.accumulate,
          },
        });
      }
      if (bias && trainable.has(bias)) this.giveSums(bias, y, dy);
      this.give(x, (residual) => {
        const dx = this.value(x.tokens, x.width);
        for (const [g, kernel] of kernels.entries()) {
          const du = this.value(tokens, k);
          this.step('product', 0, {
            reads: { a: columnsOf(dy, g * n), b: this.rowsOfWeight('weights', kernel, n) },
            writes: { y: du.operand },
            fields: { m, n: k, k: n, bKind: TRANSPOSED, bias: places.zeros },
          });
          const known = residual && columnsOf(residual, g * width);
          this.fold(du.operand, partOf(dx.operand, g), windows, known);
        }
        return dx.operand;
      });
    });
    return y;
  }

  depthwiseConvolution(x: Value, { kernel, bias }: KernelNames, windows: Windows): Value {
    this.checkPixels(x, kernel, windows);
    const { width } = x;
    const learns = x.learns || this.anyLearns([kernel, ...(bias ? [bias] : [])]);
    const y = this.value(windows.outputHeight * windows.outputWidth, width, learns);
    const b = this.rowsOfWeight('weights', kernel, width);
    const { places, trainable, batch } = this.options;
    const fields = { ...windowFields(windows), n: width };
    this.step('depthwise', this.rowsOf(y), {
      reads: { a: x.operand, b },
      writes: { y: y.operand },
      fields: { ...fields, bias: bias ? this.addressOf(bias) : places.zeros },
    });
    this.back(y, (dy) => {
      if (trainable.has(kernel)) {
        const size = this.sizeOf(kernel);
        const stride = paddedWidth(size) * 4;
        const sums: Operand = { bytes: batch * stride, stride };
        this.step('depthwiseKernel', batch, {
          reads: { a: x.operand, b: dy },
          writes: { y: sums },
          fields,
        });
        this.reduce(sums, 0, stride, batch, kernel, size);
      }
      if (bias && trainable.has(bias)) this.giveSums(bias, y, dy);
      this.give(x, (residual) => {
        const dx = this.value(x.tokens, width).operand;
        this.step('depthwiseGradient', this.rowsOf(x), {
          reads: { a: dy, b, ...(residual ? { residual } : {}) },
          writes: { y: dx },
          fields,
        });
        return dx;
      });
    });
    return y;
  }

  maxPool(x: Value, windows: Windows): Value {
    this.checkPixels(x, 'max pooling', windows);
    const y = this.value(windows.outputHeight * windows.outputWidth, x.width, x.learns);
    const fields = { ...windowFields(windows), n: x.width };
    this.step('maxPool', this.rowsOf(y), { reads: { a: x.operand }, writes: { y: y.operand }, fields });
    this.back(y, (dy) => {
      this.give(x, (residual) => {
        const dx = this.value(x.tokens, x.width).operand;
        this.step('maxPoolGradient', this.options.batch, {
          reads: { a: x.operand, b: dy, ...(residual ? { residual } : {}) },
          writes: { y: dx },
          fields,
        });
        return dx;
      });
    });
    return y;
  }

  flatten(x: Value): Value {
    const { tokens, width } = x;
    if (tokens === undefined) return x;
    // One window over the pixels as one column.
    const all: Windows = {
      height: tokens,
      width: 1,
      kernel: [tokens, 1],
      strides: [1, 1],
      padding: [0, 0],
      outputHeight: 1,
      outputWidth: 1,
    };
    const y = this.value(undefined, tokens * width, x.learns);
    const fields = { ...windowFields(all), n: width };
    this.step('unfold', this.rowsOf(y), { reads: { a: x.operand }, writes: { y: y.operand }, fields });
    this.back(y, (dy) => {
      this.give(x, (residual) => {
        const dx = this.value(tokens, width);
        this.fold(dy, dx, all, residual);
        return dx.operand;
      });
    });
    return y;
  }

  dense(x: Value, names: KernelNames, residual?: Value): Value {
    return this.product(x, names, this.shapeOf(names.kernel).at(-1)!, {}, residual);
  }

  batchNorm(
    x: Value,
    { gamma, beta, mean: runningMean, variance: runningVariance }: BatchNormNames,
    { epsilon, momentum }: { epsilon: number; momentum: number },
  ): Value {
    const { training, places } = this.options;
    const n = x.width;
    const m = this.rowsOf(x);
    const named = [...(gamma ? [gamma] : []), ...(beta ? [beta] : [])];
    const y = this.value(x.tokens, n, x.learns || this.anyLearns(named));
    const fields = { n, m, p1: paddedWidth(n), epsilon, gamma: gamma ? this.addressOf(gamma) : 0 };
    const statistics = training
      ? this.batchStatistics(x, fields)
      : this.knownStatistics(fields, runningMean, runningVariance);
    this.step('normalizeChannels', m, {
      reads: { a: x.operand, bias: statistics.mean, scale: statistics.scale },
      writes: { y: y.operand },
      fields: { n, beta: beta ? this.addressOf(beta) : places.zeros },
    });
    if (training) {
      this.way(() => {
        this.moveStatistic(runningMean, statistics.mean, { n, epsilon: momentum });
        this.moveStatistic(runningVariance, statistics.lines, { n, epsilon: momentum });
      });
    }
    this.back(y, (dy) => this.batchNormBack(x, dy, { fields, statistics, gamma, beta }));
    return y;
  }

  /** The batch's own mean and variance of each channel, summed in chunks of rows. */
  private batchStatistics(x: Value, fields: ChannelFields): Statistics {
    const mean = linesOf(1, fields);
    const lines = linesOf(2, fields);
    const chunks = this.chunksOf(fields);
    for (const [p0, y] of [
      [SUMS.mean, mean],
      [SUMS.variance, lines],
    ] as const) {
      const sums = linesOf(chunks, fields);
      this.step('channelSums', chunks, {
        reads: { a: x.operand, ...(p0 === SUMS.variance ? { bias: mean } : {}) },
        writes: { y: sums },
        fields: { ...fields, p0 },
      });
      this.step('channelTotals', 1, {
        reads: { a: sums },
        writes: { y },
        fields: { ...fields, k: chunks, p0 },
      });
    }
    return { mean, lines, scale: columnsOf(lines, fields.p1) };
  }

  private knownStatistics(fields: ChannelFields, mean: string, variance: string): Statistics {
    const lines = linesOf(2, fields);
    this.step('channelTotals', 1, {
      reads: { scale: this.rowsOfWeight('weights', variance, fields.n) },
      writes: { y: lines },
      fields: { ...fields, p0: SUMS.known },
    });
    return {
      mean: this.rowsOfWeight('weights', mean, fields.n),
      lines,
      scale: columnsOf(lines, fields.p1),
    };
  }

  private moveStatistic(name: string, a: Operand, fields: Fields & { n: number }): void {
    this.running.add(name);
    this.step('moveMean', 1, {
      reads: { a },
      writes: { y: this.rowsOfWeight('weights', name, fields.n) },
      fields,
    });
  }

  private batchNormBack(x: Value, dy: Operand, { fields, statistics, gamma, beta }: BatchNormStep): void {
    const { n, p1: line } = fields;
    const { mean: bias, scale } = statistics;
    const chunks = this.chunksOf(fields);
    const sums = linesOf(2 * chunks, fields);
    this.step('channelSums', chunks, {
      reads: { a: x.operand, b: dy, bias },
      writes: { y: sums },
      fields: { ...fields, p0: SUMS.gradient },
    });
    const totals = linesOf(4, fields);
    this.step('channelTotals', 1, {
      reads: { a: sums, scale: statistics.lines },
      writes: { y: totals },
      fields: { ...fields, k: chunks, p0: SUMS.gradient },
    });
    for (const [name, at] of [
      [beta, 2],
      [gamma, 3],
    ] as const) {
      if (name && this.options.trainable.has(name)) this.reduce(totals, at * line * 4, line * 4, 1, name, n);
    }
    this.give(x, (residual) => {
      const dx = this.value(x.tokens, n).operand;
      this.step('normalizeGradient', fields.m, {
        reads: { a: x.operand, b: dy, z: totals, bias, scale, ...(residual ? { residual } : {}) },
        writes: { y: dx },
        fields: { n, p1: line },
      });
      return dx;
    });
  }

  private chunksOf({ m }: ChannelFields): number {
    return Math.ceil(m / this.options.shape.chunk);
  }

  channelNorm(x: Value, names: { gamma: string; beta: string }, epsilon: number): Value {
    return this.norm(x, names, epsilon, x.width);
  }

  activation(x: Value, name: PixelActivation): Value {
    const activation = PIXEL_ACTIVATIONS[name];
    const y = this.value(x.tokens, x.width, x.learns);
    this.step('activate', this.rowsOf(x), {
      reads: { a: x.operand },
      writes: { y: y.operand },
      fields: { n: x.width, activation },
    });
    this.back(y, (dy) => {
      this.give(x, (residual) => {
        const dx = this.slopeBack(dy, x, { z: x.operand, activation });
        return residual ? this.sum(x, dx, residual) : dx;
      });
    });
    return y;
  }

  gate(x: Value, factors: Value): Value {
    const { width, tokens } = x;
    const y = this.value(tokens, width, x.learns || factors.learns);
    const fields = { n: width, imageRows: tokens ?? 1 };
    const m = this.rowsOf(x);
    this.step('gate', m, {
      reads: { a: x.operand, b: factors.operand },
      writes: { y: y.operand },
      fields,
    });
    this.back(y, (dy) => {
      this.give(factors, (residual) => {
        const df = this.value(undefined, width).operand;
        this.step('gateGradient', this.options.batch, {
          reads: { a: x.operand, b: dy },
          writes: { y: df },
          fields,
        });
        return residual ? this.sum(factors, df, residual) : df;
      });
      this.give(x, (residual) => {
        const dx = this.value(tokens, width).operand;
        this.step('gate', m, {
          reads: { a: dy, b: factors.operand, ...(residual ? { residual } : {}) },
          writes: { y: dx },
          fields,
        });
        return dx;
      });
    });
    return y;
  }

  add(a: Value, b: Value): Value {
    if (a.width !== b.width || a.tokens !== b.tokens) throw new UserError('sums are of values of one shape');
    const y = this.value(a.tokens, a.width, a.learns || b.learns);
    this.move(y, a, { rows: a.tokens ?? 1, to: 0, reads: { residual: b.operand } });
    this.back(y, (dy) => {
      for (const x of [a, b]) this.give(x, (residual) => (residual ? this.sum(x, dy, residual) : dy));
    });
    return y;
  }

  private checkPixels(x: Value, name: string, { height, width }: Windows): void {
    if (x.tokens === height * width) return;
    throw new UserError(`${name}: its input has ${x.tokens} pixels, not ${height}×${width}`);
  }

  /** The windows' values as rows: what a product with the kernel is a convolution of. */
  private unfolded(x: Value, windows: Windows): Value {
    const [p, q] = windows.kernel;
    const tokens = windows.outputHeight * windows.outputWidth;
    // Windows of one pixel that are all of the image's: its rows as they are.
    if (p * q === 1 && tokens === x.tokens && x.operand.stride === paddedWidth(x.width) * 4) return x;
    const fields = { ...windowFields(windows), n: x.width };
    const width = p * q * x.width;
    const make = () => {
      const { operand } = this.value(tokens, width);
      this.step('unfold', this.options.batch * tokens, {
        reads: { a: x.operand },
        writes: { y: operand },
        fields,
      });
      return operand;
    };
    // A window's pixels are most of what a forward pass would keep.
    const y: Value = { operand: make(), tokens, width, learns: x.learns, remake: make };
    this.back(y, (dy) => {
      this.give(x, (residual) => {
        const dx = this.value(x.tokens, x.width);
        this.fold(dy, dx, windows, residual);
        return dx.operand;
      });
    });
    return y;
  }

  private fold(windowRows: Operand, to: Value, windows: Windows, residual: Operand | undefined): void {
    this.step('fold', this.rowsOf(to), {
      reads: { a: windowRows, ...(residual ? { residual } : {}) },
      writes: { y: to.operand },
      fields: { ...windowFields(windows), n: to.width },
    });
  }

  /** The gradient of a bias: the sums of dy's rows, which is y's gradient. */
  private giveSums(bias: string, y: Value, dy: Operand): void {
    const m = this.rowsOf(y);
    const line = paddedWidth(y.width);
    const chunks = Math.ceil(m / this.options.shape.chunk);
    const sums: Operand = { bytes: chunks * line * 4, stride: line * 4 };
    this.step('channelSums', chunks, {
      reads: { a: dy },
      writes: { y: sums },
      fields: { m, n: y.width, p0: SUMS.mean, p1: line },
    });
    this.reduce(sums, 0, line * 4, chunks, bias, y.width);
  }
}
