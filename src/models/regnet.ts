import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import type { RegnetConversion } from '../../converters/convertRegnet.js';
import { currentBackend, isRunning, onBackend } from '../boundBackend.js';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { PooledHead, RegnetBlock, RegnetStem } from '../families/layers/index.js';
import { type RegnetConfig, regnetBlocks } from '../families/regnet/config.js';
import { showFrozen } from '../frozen.js';
import { bindLayers } from './boundLayers.js';
import type { ImageModel } from './imageModel.js';
import { assignWeights } from './weights.js';

/** A RegNet, DeiT's convolutional teacher (arXiv 2012.12877, section 5.1). It takes images of any size. */
export interface Regnet extends ImageModel {
  readonly config: RegnetConfig;
  readonly layersModel: tfl.LayersModel;
}

/** Builds a RegNet on the current backend and fills in its weights. */
export async function loadRegnet(
  conversion: RegnetConversion,
  onProgress?: (fraction: number) => void,
): Promise<Regnet> {
  checkArguments('loadRegnet', { conversion: ['regnetConversion', conversion] });
  const { config, labels, preprocessing, assumptions, readWeight } = conversion;
  const backend = currentBackend();
  const layersModel = regnetLayers(config);
  bindLayers(layersModel, backend);
  try {
    await assignWeights(layersModel, readWeight, onProgress);
  } catch (error) {
    layersModel.dispose();
    throw error;
  }
  let disposed = false;
  const model = {
    backend: backend.name,
    anySize: true,
    layersModel,
    onBackend: <T>(run: () => T) => onBackend(backend, run),
    predict: (x: tf.Tensor4D) => {
      if (disposed) throw new UserError(`${config.name}: the model was disposed of; load it again`);
      checkArguments(`${config.name}: predict`, { x: ['tensor', x] });
      if (x.rank !== 4 || x.shape[3] !== 3 || x.dtype !== 'float32') {
        throw new UserError(
          `${config.name}: predict takes a float32 tensor [batch, height, width, 3], got [${x.shape}] of ${x.dtype}`,
        );
      }
      const compute = () => layersModel.apply(x, { training: false }) as tf.Tensor2D;
      return onBackend(backend, () => tf.tidy(compute));
    },
    dispose: () => {
      if (disposed) return;
      disposed = true;
      if (isRunning(backend)) onBackend(backend, () => layersModel.dispose());
    },
  };
  return showFrozen(model as Regnet, { config, labels, preprocessing, assumptions });
}

/** The network as tfjs layers, all its weights zero, to be assigned. */
export function regnetLayers(config: RegnetConfig): tfl.LayersModel {
  const images = tfl.input({ shape: [null, null, 3], name: 'images' });
  let x = new RegnetStem({ name: 'stem', width: config.stemWidth }).apply(images);
  for (const { inputWidth: _, ...block } of regnetBlocks(config)) x = new RegnetBlock(block).apply(x);
  x = new PooledHead({ name: 'head', units: config.numClasses }).apply(x);
  return tfl.model({ name: config.name, inputs: images, outputs: x as tfl.SymbolicTensor });
}
