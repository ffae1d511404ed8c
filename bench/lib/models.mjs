/** Models to measure: of the right shape, with random weights in which no part is without effect. */
import { buildModel, resolveConfig } from '../../dist/src/models/create.js';
import { defaultPreprocessing } from '../../dist/src/models/preprocessing.js';
import { namedWeights, setWeight } from '../../dist/src/models/weights.js';
import { Random } from '../../dist/src/random.js';

/** deit_NAME_patch16_SIZE on the current backend; the same weights at every call. */
export function makeModel(name, size = 224) {
  const config = resolveConfig(`deit_${name}_patch16_224`, { imgSize: size });
  const model = buildModel(config, { preprocessing: defaultPreprocessing(config) });
  let seed = 0;
  for (const [key, weight] of namedWeights(model.layersModel)) {
    const size = weight.shape.reduce((a, b) => a * b);
    const values = noise(size, seed);
    const [middle, spread] = key.endsWith('.gamma')
      ? [1, 0.2]
      : weight.shape.length === 1
        ? [0, 0.2]
        : [0, 0.035];
    for (let i = 0; i < size; i++) values[i] = middle + spread * values[i];
    setWeight(weight, values);
    seed += 1;
  }
  return model;
}

/** Numbers in [-1, 1) from a linear congruential generator: a model's weights in a second. */
function noise(size, seed) {
  const values = new Float32Array(size);
  let state = seed;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    values[i] = state / 2 ** 31;
  }
  return values;
}

/** Normalised images, [batch, size, size, 3], as numbers. */
export function makeImages(batch, size = 224) {
  const random = Random.fromSeed(2);
  return Float32Array.from({ length: batch * size * size * 3 }, () => random.normal());
}

/** [batch, size, size, 3] → [batch, 3, size, size]. */
export function toPlanes(pixels, batch, size = 224) {
  const planes = new Float32Array(pixels.length);
  const area = size * size;
  for (let b = 0; b < batch; b++)
    for (let i = 0; i < area; i++)
      for (let c = 0; c < 3; c++) planes[(b * 3 + c) * area + i] = pixels[(b * area + i) * 3 + c];
  return planes;
}

/** The largest difference of two lists of numbers, as a part of the largest number. */
export function largestDifference(a, b) {
  const largest = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i])), 0) / largest;
}
