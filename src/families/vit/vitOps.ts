import type * as tf from '@tensorflow/tfjs-core';
import { hasQuantizedBlock, type QuantizedMatrix, quantizedBlock, TfjsOps } from '../../ops/index.js';
import type { BlockConfig } from './config.js';
import type { VitOps } from './forward.js';

/** The operations on tfjs tensors, with the kernel for a whole quantized block. */
export class TfjsVitOps extends TfjsOps implements VitOps<tf.Tensor> {
  fusedBlock(config: BlockConfig, name: string, x: tf.Tensor): tf.Tensor | undefined {
    const { numHeads, epsilon, prefixTokens = 0 } = config;
    if (!config.quantization || this.options.training || !hasQuantizedBlock()) return undefined;
    const norm = (part: string) => ({
      gamma: this.get<tf.Tensor1D>(`${name}.${part}.gamma`),
      beta: this.get<tf.Tensor1D>(`${name}.${part}.beta`),
    });
    const matrix = (part: string): QuantizedMatrix => ({
      codes: this.get(`${name}.${part}.kernel`),
      scale: this.get(`${name}.${part}.scale`),
      bias: this.weights(`${name}.${part}.bias`) as tf.Tensor1D | undefined,
    });
    const scale = (part: string) => this.weights(`${name}.${part}.gamma`) as tf.Tensor1D | undefined;
    const weights = {
      norm1: norm('norm1'),
      qkv: matrix('attn.qkv'),
      proj: matrix('attn.proj'),
      scale1: scale('ls1'),
      norm2: norm('norm2'),
      fc1: matrix('mlp.fc1'),
      fc2: matrix('mlp.fc2'),
      scale2: scale('ls2'),
    };
    return quantizedBlock(x as tf.Tensor3D, weights, { numHeads, epsilon, prefixTokens });
  }
}
