/**
 * What decoding and each augmentation cost for a training image of 224 pixels, in milliseconds of one core (processor
 * time, so that other work on the machine counts little); means over the images of a folder of class folders.
 *
 *     npm run build && node bench/augment.mjs FOLDER [--limit 40]
 */
import { parseArgs } from 'node:util';
import { rotate, shearX } from '../dist/src/data/augment/affine.js';
import { augmentImage } from '../dist/src/data/augment/augmentImage.js';
import { randomResizedCrop } from '../dist/src/data/augment/crop.js';
import { brightness, color, contrast, sharpness } from '../dist/src/data/augment/enhance.js';
import { autoContrast, equalize, invert } from '../dist/src/data/augment/pointOps.js';
import { parseRandAugment, randAugment } from '../dist/src/data/augment/randAugment.js';
import { randomErasing } from '../dist/src/data/augment/randomErasing.js';
import { randomFor } from '../dist/src/data/augment/seeds.js';
import { DEFAULT_CONFIG, preprocessingFor } from '../dist/src/index.js';
import { openDataset } from '../dist/src/node/data/openDataset.js';

const { values, positionals } = parseArgs({
  options: { limit: { type: 'string', default: '40' } },
  allowPositionals: true,
});
if (positionals.length !== 1) {
  console.error('usage: node bench/augment.mjs FOLDER [--limit 40]');
  process.exit(2);
}

/** Warm-up calls before each measurement. */
const WARM = 10;

function processorTime() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function report(name, milliseconds) {
  console.log(`${name.padEnd(20)} ${milliseconds.toFixed(2)} ms`);
}

const data = /** @type {const} */ ({
  format: 'folder',
  path: positionals[0],
  split: 'train',
  limit: Number(values.limit),
});
const set = await openDataset(data);
const images = [];
const begin = processorTime();
for (let i = 0; i < set.length; i++) images.push(await set.read(i));
report('decode', (processorTime() - begin) / set.length);

function measure(name, work) {
  for (let i = 0; i < Math.min(WARM, set.length); i++) work(i);
  const start = processorTime();
  for (let i = 0; i < set.length; i++) work(i);
  report(name, (processorTime() - start) / set.length);
}

const size = /** @type {const} */ ([224, 224]);
const preprocessing = preprocessingFor('deit', size);
const { augment } = DEFAULT_CONFIG;
const crop = (i) => randomResizedCrop(images[i], size, augment.randomResizedCrop, randomFor(1, i));
const crops = images.map((_, i) => crop(i));
const grey = /** @type {const} */ ([124, 116, 104]);
measure('randomResizedCrop', crop);
measure('rotate', (i) => rotate(crops[i], 27, grey));
measure('shearX', (i) => shearX(crops[i], 0.27, grey));
for (const change of [brightness, contrast, color, sharpness]) {
  measure(change.name, (i) => change(crops[i], 1.8));
}
for (const change of [autoContrast, equalize, invert]) measure(change.name, (i) => change(crops[i]));
const operations = parseRandAugment(augment.randAugment);
measure('randAugment', (i) => randAugment(crops[i], operations, preprocessing.mean, randomFor(1, i)));
const pixels = new Float32Array(size[0] * size[1] * 3);
measure('randomErasing, p = 1', (i) => randomErasing(pixels, size, 1, randomFor(1, i)));
measure('the whole recipe', (i) => {
  augmentImage(images[i], augment, preprocessing, { seed: 1, epoch: 0, place: i }, pixels);
});
