import * as tf from '@tensorflow/tfjs-core';
import { checkArguments } from '../checkArguments.js';
import { readValues } from '../deviceLost.js';
import { UserError } from '../errors.js';
import { headLogits } from '../families/vit/forward.js';
import { TfjsVitOps } from '../families/vit/vitOps.js';
import type { VisionTransformer } from '../models/visionTransformer.js';
import { namedWeights } from '../models/weights.js';
import { sizeOf } from '../shape.js';

/**
 * What the heads of a model read of images, side by side: float32 [B, heads · W], for heads of other classes.
 *
 * @param images float32 [batch, H, W, C], normalised
 * @throws UserError if there are more or fewer pixels, or the model was disposed of
 */
export async function headFeatures(
  model: VisionTransformer,
  images: Float32Array,
  batch = 1,
): Promise<Float32Array> {
  checkArguments('headFeatures', {
    model: ['model', model],
    images: ['floats', images],
    batch: ['size', batch],
  });
  const { imgSize, inChans, name } = model.config;
  const shape: [number, number, number, number] = [batch, ...imgSize, inChans];
  if (images.length !== sizeOf(shape)) {
    throw new UserError(`${name}: headFeatures takes ${shape.join(' × ')} numbers, got ${images.length}`);
  }
  const headless = { ...model.config, numClasses: 0 };
  const weights = namedWeights(model.layersModel);
  const compute = () =>
    tf.tidy(() =>
      headLogits(new TfjsVitOps((key) => weights.get(key)?.read()), headless, tf.tensor4d(images, shape)),
    );
  const output = model.onBackend(compute) as tf.Tensor;
  try {
    return Float32Array.from(await readValues(output, model.backend));
  } finally {
    output.dispose();
  }
}
