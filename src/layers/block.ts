import * as tf from '@tensorflow/tfjs-core';
import { serialization } from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { hasQuantizedBlock, type LinearOptions, quantizedBlock } from '../ops/index.js';
import { Attention } from './attention.js';
import { DropPath } from './dropPath.js';
import { LayerNorm } from './layerNorm.js';
import { LayerScale } from './layerScale.js';
import { type MatrixArgs, operands } from './matrix.js';
import { Mlp } from './mlp.js';
import { type CallOptions, type LayerArgs, single, singleShape } from './types.js';

export type TransformerBlockArgs = LayerArgs &
  MatrixArgs & {
    numHeads: number;
    /** Width of the MLP's hidden layer. */
    mlpDim: number;
    qkvBias: boolean;
    /** Initial value of LayerScale's gamma, or null for none. */
    layerScale: number | null;
    /** Probability with which either branch is left out for a sample, in training. */
    dropPathRate: number;
    /** Epsilon of the layer norms. */
    epsilon: number;
    /** Of a quantized block, tokens before the patches, which are computed with more bits: the logits hang on them. */
    prefixTokens?: number;
  };

type Branch = (into: Pick<LinearOptions, 'scale' | 'residual'>) => tf.Tensor3D;

/**
 * Pre-norm transformer block (ViT, arXiv 2010.11929, equations 2 and 3): [B, T, D] → [B, T, D].
 *
 *     x = x + ls1 · attn(norm1(x))
 *     x = x + ls2 · mlp(norm2(x))
 *
 * tfjs does not look into a layer for others (tfjs#8569), so the block lists their weights as its own.
 */
export class TransformerBlock extends tfl.layers.Layer {
  static className = 'DeitTransformerBlock';
  private readonly norm1: LayerNorm;
  private readonly attn: Attention;
  private readonly ls1: LayerScale | null;
  private readonly norm2: LayerNorm;
  private readonly mlp: Mlp;
  private readonly ls2: LayerScale | null;
  private readonly dropPath: DropPath;
  private readonly args: TransformerBlockArgs;

  constructor(args: TransformerBlockArgs) {
    super(args);
    this.args = args;
    const { numHeads, qkvBias, epsilon, layerScale, mlpDim: hiddenDim, quantization } = args;
    const name = (part: string) => `${this.name}.${part}`;
    const scale = (part: string) =>
      layerScale === null ? null : new LayerScale({ name: name(part), initValue: layerScale });
    this.norm1 = new LayerNorm({ name: name('norm1'), epsilon });
    this.attn = new Attention({ name: name('attn'), numHeads, qkvBias, quantization });
    this.ls1 = scale('ls1');
    this.norm2 = new LayerNorm({ name: name('norm2'), epsilon });
    this.mlp = new Mlp({ name: name('mlp'), hiddenDim, quantization });
    this.ls2 = scale('ls2');
    this.dropPath = new DropPath({ name: name('drop_path'), rate: args.dropPathRate });
  }

  private get sublayers(): tfl.layers.Layer[] {
    const all = [this.norm1, this.attn, this.ls1, this.norm2, this.mlp, this.ls2];
    return all.filter((layer) => layer !== null);
  }

  override setFastWeightInitDuringBuild(value: boolean): void {
    super.setFastWeightInitDuringBuild(value);
    for (const layer of this.sublayers) layer.setFastWeightInitDuringBuild(value);
  }

  override build(inputShape: tfl.Shape | tfl.Shape[]): void {
    for (const layer of this.sublayers) {
      layer.build(singleShape(inputShape));
      this._trainableWeights.push(...layer.weights); // tfjs looks at each one's own `trainable`
    }
    this.built = true;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], options: CallOptions = {}): tf.Tensor3D {
    if (this.args.quantization && !options.training && hasQuantizedBlock()) {
      return this.callQuantized(single<tf.Tensor3D>(inputs));
    }
    return tf.tidy(() => {
      let x = single<tf.Tensor3D>(inputs);
      x = this.add(
        x,
        this.ls1,
        (into) => this.attn.forward(this.norm1.call(x) as tf.Tensor3D, into),
        options,
      );
      x = this.add(x, this.ls2, (into) => this.mlp.forward(this.norm2.call(x) as tf.Tensor3D, into), options);
      return x;
    });
  }

  private callQuantized(x: tf.Tensor3D): tf.Tensor3D {
    const { numHeads, epsilon, prefixTokens = 0 } = this.args;
    const weights = {
      norm1: this.norm1.operands,
      qkv: operands(this.attn.qkv),
      proj: operands(this.attn.proj),
      scale1: this.ls1?.gamma,
      norm2: this.norm2.operands,
      fc1: operands(this.mlp.fc1),
      fc2: operands(this.mlp.fc2),
      scale2: this.ls2?.gamma,
    };
    return quantizedBlock(x, weights, { numHeads, epsilon, prefixTokens });
  }

  /** x + dropPath(scale · branch): in one fused step unless drop path acts. */
  private add(x: tf.Tensor3D, ls: LayerScale | null, branch: Branch, options: CallOptions): tf.Tensor3D {
    const scale = ls?.gamma;
    if (!options.training || this.dropPath.rate === 0) return branch({ scale, residual: x });
    return tf.add(x, this.dropPath.call(branch({ scale }), options)) as tf.Tensor3D;
  }

  /** The attention weights of this block for its input x: float32 [B, numHeads, T, T]. */
  attentionWeights(x: tf.Tensor3D): tf.Tensor4D {
    return tf.tidy(() => this.attn.weightsFor(this.norm1.call(x) as tf.Tensor3D));
  }

  override computeOutputShape(inputShape: tfl.Shape | tfl.Shape[]): tfl.Shape {
    return singleShape(inputShape);
  }

  override getConfig(): serialization.ConfigDict {
    const { numHeads, mlpDim, qkvBias, layerScale, dropPathRate, epsilon } = this.args;
    const { quantization, prefixTokens = 0 } = this.args;
    const config = { ...super.getConfig(), numHeads, mlpDim, qkvBias, layerScale, dropPathRate, epsilon };
    return quantization ? { ...config, quantization, prefixTokens } : config;
  }
}

serialization.registerClass(TransformerBlock);
