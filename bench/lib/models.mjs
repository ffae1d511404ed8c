/** Models to measure: of the right shape, with random weights in which no part is without effect. */
import { createModel } from '../../dist/src/models/create.js';
import { namedWeights, setWeight } from '../../dist/src/models/weights.js';
import { Random } from '../../dist/src/random.js';

/** deit_NAME_patch16_SIZE on the current backend; the same weights at every call. */
export function makeModel(name, size = 224) {
  const model = createModel(`deit_${name}_patch16_224`, { imgSize: size });
  const random = Random.fromSeed(1);
  for (const [key, weight] of namedWeights(model.layersModel)) {
    if (weight.shape.length > 1) continue;
    const middle = key.endsWith('.gamma') ? 1 : 0;
    setWeight(
      weight,
      Float32Array.from({ length: weight.shape[0] }, () => middle + 0.1 * random.normal()),
    );
  }
  return model;
}

/** Normalised pictures, [batch, size, size, 3], as numbers. */
export function makePictures(batch, size = 224) {
  const random = Random.fromSeed(2);
  return Float32Array.from({ length: batch * size * size * 3 }, () => random.normal());
}

/** [batch, size, size, 3] → [batch, 3, size, size]. */
export function toPlanes(pictures, batch, size = 224) {
  const planes = new Float32Array(pictures.length);
  const area = size * size;
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < area; i++)
      for (let c = 0; c < 3; c++) planes[(b * 3 + c) * area + i] = pictures[(b * area + i) * 3 + c];
  return planes;
}

/** The largest difference of two lists of numbers, as a part of the largest number. */
export function largestDifference(a, b) {
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) / largest;
}
