import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { RegnetConversion } from '../../converters/convertRegnet.js';
import { UserError } from '../errors.js';
import { type RegnetConfig, regnetBlocks } from '../families/regnet/config.js';
import { preprocessingFor } from '../image/index.js';
import type { Preprocessing } from '../image/types.js';
import { PooledHead, RegnetBlock, RegnetStem } from '../layers/index.js';
import { assignWeights } from './weights.js';

/** A RegNet, DeiT's convolutional teacher (arXiv 2012.12877, section 5.1). It takes pictures of any size. */
export interface Regnet {
  readonly config: RegnetConfig;
  readonly labels: readonly string[] | undefined;
  /** Of the `deit` preset, with which facebookresearch/deit evaluates its teacher. */
  readonly preprocessing: Preprocessing;
  readonly layersModel: tfl.LayersModel;
  /** @param x float32 [B, H, W, 3], normalised; logits float32 [B, classes] */
  predict(x: tf.Tensor4D): tf.Tensor2D;
  dispose(): void;
}

/** Builds a RegNet on the current backend and fills in its weights. */
export async function loadRegnet(
  { config, labels, readWeight }: RegnetConversion,
  onProgress?: (fraction: number) => void,
): Promise<Regnet> {
  const layersModel = regnetLayers(config);
  try {
    await assignWeights(layersModel, readWeight, onProgress);
  } catch (error) {
    layersModel.dispose();
    throw error;
  }
  return {
    config,
    labels,
    preprocessing: preprocessingFor('deit', config.imgSize),
    layersModel,
    predict: (x) => {
      if (x.rank !== 4 || x.shape[3] !== 3) {
        throw new UserError(
          `${config.name}: predict takes a float32 tensor [batch, height, width, 3], got [${x.shape}]`,
        );
      }
      return tf.tidy(() => layersModel.apply(x, { training: false }) as tf.Tensor2D);
    },
    dispose: () => layersModel.dispose(),
  };
}

/** The network as tfjs layers, all its weights zero, to be assigned. */
export function regnetLayers(config: RegnetConfig): tfl.LayersModel {
  const images = tfl.input({ shape: [null, null, 3], name: 'images' });
  let x = new RegnetStem({ name: 'stem', width: config.stemWidth }).apply(images);
  for (const { inputWidth: _, ...block } of regnetBlocks(config)) x = new RegnetBlock(block).apply(x);
  x = new PooledHead({ name: 'head', units: config.numClasses }).apply(x);
  return tfl.model({ name: config.name, inputs: images, outputs: x as tfl.SymbolicTensor });
}
