/** The kernels of src/ops/kernelNames.ts for the WebGL backend. */
import { type MathBackendWebGL, webgl_util } from '@tensorflow/tfjs-backend-webgl';
import * as tf from '@tensorflow/tfjs-core';
import { ATTENTION, LAYER_NORM, LINEAR } from '../../ops/kernelNames.js';
import {
  type AttentionShape,
  scoresProgram,
  softmaxProgram,
  softmaxStatisticsProgram,
  valuesProgram,
} from './attentionPrograms.js';
import { normalizeProgram, rowStatisticsProgram } from './layerNormPrograms.js';
import { linearProgram } from './linearProgram.js';
import { half, type Program, type Texture } from './program.js';

type Inputs = Record<string, tf.TensorInfo | undefined>;
type Kernel = (run: Runner, inputs: Inputs, attrs: tf.NamedAttrMap) => tf.TensorInfo;

const KERNELS: Record<string, Kernel> = {
  [LINEAR]: linear,
  [LAYER_NORM]: layerNorm,
  [ATTENTION]: attention,
};

/** Registers the kernels; further calls change nothing. */
export function registerWebglKernels(): void {
  for (const [kernelName, kernel] of Object.entries(KERNELS)) {
    if (tf.getKernel(kernelName, 'webgl')) continue;
    tf.registerKernel({
      kernelName,
      backendName: 'webgl',
      kernelFunc: ({ inputs, attrs, backend }) => {
        const runner = new Runner(backend as MathBackendWebGL);
        const result = kernel(runner, inputs, attrs ?? {});
        runner.freeAllBut(result);
        return result;
      },
    });
  }
}

/** Runs programs and tfjs' own kernels, and frees what they made on the way. */
class Runner {
  private readonly made: tf.TensorInfo[] = [];

  constructor(private readonly backend: MathBackendWebGL) {}

  program(program: Program, inputs: tf.TensorInfo[]): tf.TensorInfo {
    // Left packed: the next kernel reads it so, and tfjs unpacks on demand.
    return this.note(this.backend.runWebGLProgram(program, inputs, 'float32', undefined, true));
  }

  kernel(name: string, inputs: Record<string, tf.TensorInfo>, attrs: tf.NamedAttrMap = {}): tf.TensorInfo {
    const { kernelFunc } = tf.getKernel(name, 'webgl');
    return this.note(kernelFunc({ inputs, attrs, backend: this.backend }) as tf.TensorInfo);
  }

  /** The same data in another shape; copied only where rows pair differently in the texels. */
  reshape(x: tf.TensorInfo, shape: number[]): tf.TensorInfo {
    return tf.util.arraysEqual(x.shape, shape) ? x : this.kernel(tf.Reshape, { x }, { shape });
  }

  /** How a tensor will lie in the texture that a program reads. */
  texture(tensor: tf.TensorInfo): Texture {
    const [rows = 1, columns = 1] = tensor.shape.slice(-2);
    const { texture, isPacked, texShape } = this.backend.texData.get(tensor.dataId);
    const kept = texture && isPacked ? texShape : undefined;
    const [down, across] = kept ?? webgl_util.getTextureShapeFromLogicalShape([...tensor.shape], true);
    return { rows, columns, size: [half(down), half(across)] };
  }

  textures(tensors: Record<string, tf.TensorInfo>): Record<string, Texture> {
    return Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, this.texture(tensor)]));
  }

  freeAllBut(result: tf.TensorInfo): void {
    for (const tensor of this.made) if (tensor !== result) this.backend.disposeIntermediateTensorInfo(tensor);
  }

  private note(tensor: tf.TensorInfo): tf.TensorInfo {
    this.made.push(tensor);
    return tensor;
  }
}

function linear(run: Runner, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const { x, kernel, bias, scale, residual } = inputs as { x: tf.TensorInfo; kernel: tf.TensorInfo } & Inputs;
  const [k = 0, n = 0] = kernel.shape;
  const m = tf.util.sizeFromShape(x.shape) / k;
  // A residual that repeats over the batch is added after: its rows pair differently.
  const sum = residual && tf.util.sizeFromShape(residual.shape) === m * n ? residual : undefined;
  const operands = { bias, scale, residual: sum };
  const names = (['bias', 'scale', 'residual'] as const).filter((name) => operands[name]);
  const given: Record<string, tf.TensorInfo> = { x: run.reshape(x, [m, k]), kernel };
  for (const name of names) given[name] = run.reshape(operands[name]!, name === 'residual' ? [m, n] : [1, n]);
  const gelu = attrs.activation === 'gelu';
  const program = linearProgram({ m, k, n, operands: names, gelu }, run.textures(given));
  const y = run.program(program, Object.values(given));
  const shaped = run.reshape(y, [...x.shape.slice(0, -1), n]);
  return residual && !sum ? run.kernel(tf.Add, { a: shaped, b: residual }) : shaped;
}

function layerNorm(run: Runner, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const { x, gamma, beta } = inputs as { x: tf.TensorInfo; gamma: tf.TensorInfo; beta: tf.TensorInfo };
  const d = x.shape.at(-1) ?? 0;
  const m = tf.util.sizeFromShape(x.shape) / d;
  const rows = run.reshape(x, [m, d]);
  const epsilon = attrs.epsilon as number;
  const statistics = run.program(rowStatisticsProgram(m, d, epsilon, run.texture(rows)), [rows]);
  const [scale, shift] = [gamma, beta].map((vector) => run.reshape(vector, [1, d]));
  const given = { x: rows, statistics, gamma: scale!, beta: shift! };
  return run.reshape(run.program(normalizeProgram(m, d, run.textures(given)), Object.values(given)), x.shape);
}

function attention(run: Runner, inputs: Inputs, attrs: tf.NamedAttrMap): tf.TensorInfo {
  const qkv = inputs.qkv as tf.TensorInfo;
  const heads = attrs.numHeads as number;
  const [batch = 0, tokens = 0, width = 0] = qkv.shape;
  const headSize = width / 3 / heads;
  const shape = { batch, tokens, heads, headSize, scale: 1 / Math.sqrt(headSize) };
  return headSize % 2 === 0 ? evenAttention(run, qkv, shape) : oddAttention(run, qkv, shape);
}

function evenAttention(run: Runner, qkv: tf.TensorInfo, shape: AttentionShape): tf.TensorInfo {
  const of = (tensor: tf.TensorInfo) => run.texture(tensor);
  const scores = run.program(scoresProgram(shape, of(qkv)), [qkv]);
  const statistics = run.program(softmaxStatisticsProgram(shape, of(scores)), [scores]);
  const weights = run.program(softmaxProgram(shape, of(scores), of(statistics)), [scores, statistics]);
  return run.program(valuesProgram(shape, of(weights), of(qkv)), [weights, qkv]);
}

/** The last column of an odd head pairs with a neighbour's: it gets a column of zeros, which changes no product. */
function oddAttention(run: Runner, qkv: tf.TensorInfo, shape: AttentionShape): tf.TensorInfo {
  const { batch, tokens, heads, headSize } = shape;
  const split = run.reshape(qkv, [batch, tokens, 3 * heads, headSize]);
  const paddings = [...Array.from({ length: 3 }, () => [0, 0]), [0, 1]];
  const padded = run.kernel(tf.PadV2, { x: split }, { paddings, constantValue: 0 });
  const wide = run.reshape(padded, [batch, tokens, 3 * heads * (headSize + 1)]);
  const y = evenAttention(run, wide, { ...shape, headSize: headSize + 1 });
  const parts = run.reshape(y, [batch, tokens, heads, headSize + 1]);
  const size = [batch, tokens, heads, headSize];
  const cut = run.kernel(tf.Slice, { x: parts }, { begin: [0, 0, 0, 0], size });
  return run.reshape(cut, [batch, tokens, heads * headSize]);
}
