import { expect, test } from '@jest/globals';
import * as affine from '../../../src/data/augment/affine.js';
import { augmentImage } from '../../../src/data/augment/augmentImage.js';
import { beta } from '../../../src/data/augment/beta.js';
import { colorJitter } from '../../../src/data/augment/colorJitter.js';
import { flip, randomResizedCrop } from '../../../src/data/augment/crop.js';
import * as enhance from '../../../src/data/augment/enhance.js';
import { mixBatch } from '../../../src/data/augment/mix.js';
import { epochOrder } from '../../../src/data/augment/order.js';
import * as pointOps from '../../../src/data/augment/pointOps.js';
import { parseRandAugment, randAugment } from '../../../src/data/augment/randAugment.js';
import { randomErasing } from '../../../src/data/augment/randomErasing.js';
import { randomFor } from '../../../src/data/augment/seeds.js';
import type { AugmentConfig } from '../../../src/data/config.js';
import type { RgbImage } from '../../../src/image/types.js';
import { Random } from '../../../src/random.js';
import { sha256 } from '../../image/images.js';
import { floats, largestDifference, makeImage, reference } from './reference.js';

const MEAN = [0.485, 0.456, 0.406] as const;
const STD = [0.229, 0.224, 0.225] as const;
const FILL = [124, 116, 104] as const;

type Operation = (image: RgbImage, ...args: never[]) => RgbImage;

const filled =
  (operation: (image: RgbImage, amount: number, fill: affine.Fill) => RgbImage): Operation =>
  (image, amount: number) =>
    operation(image, amount, FILL);

const operations: Record<string, Operation> = {
  ...pointOps,
  ...enhance,
  flip,
  rotate: filled(affine.rotate),
  shearX: filled(affine.shearX),
  shearY: filled(affine.shearY),
  translateX: filled(affine.translateX),
  translateY: filled(affine.translateY),
  affine: (image, matrix: affine.AffineMatrix, filter: affine.Filter) =>
    affine.affine(image, matrix, filter, FILL),
};

test.each([
  ...new Set(reference.operations.map(({ operation }) => operation)),
])('%s gives the bytes of Pillow', (name) => {
  for (const { arguments: args, image: of, sha256: bytes } of reference.operations.filter(
    ({ operation }) => operation === name,
  )) {
    const image = makeImage(of);
    const before = sha256(image.data);
    const changed = operations[name]!(image, ...(args as never[]));
    expect({ args, of, bytes: sha256(changed.data) }).toEqual({ args, of, bytes });
    expect(sha256(image.data)).toBe(before);
  }
});

test.each([
  ...new Set(reference.randAugments.map(({ config }) => config)),
])("RandAugment %s gives the bytes of timm's on the same draws", (name) => {
  for (const { config, seed, image: of, sha256: bytes } of reference.randAugments) {
    if (config !== name) continue;
    const changed = randAugment(makeImage(of), parseRandAugment(config), MEAN, Random.fromSeed(seed));
    expect({ seed, bytes: sha256(changed.data) }).toEqual({ seed, bytes });
  }
});

test.each(['rand', 'rand-m9-mstd0.5-inc1', 'rand-n3-p0.25-mmax12'])('%s is understood', (text) => {
  expect(parseRandAugment(text)).toMatchObject(
    {
      rand: { magnitude: 10, layers: 2, prob: 0.5, magnitudeStd: 0, increasing: false },
      'rand-m9-mstd0.5-inc1': { magnitude: 9, magnitudeStd: 0.5, increasing: true, magnitudeMax: 10 },
      'rand-n3-p0.25-mmax12': { layers: 3, prob: 0.25, magnitudeMax: 12 },
    }[text]!,
  );
});

test.each(['original-mstd0.5', 'rand-m', 'rand-x3', 'rand-tweights', ''])('"%s" is refused', (text) => {
  expect(() => parseRandAugment(text)).toThrow(`randAugment "${text}": `);
});

test("random resized crops are timm's on the same draws", () => {
  for (const { size, scale, ratio, seed, image: of, sha256: bytes } of reference.crops) {
    const cropped = randomResizedCrop(makeImage(of), size, { scale, ratio }, Random.fromSeed(seed));
    expect([cropped.height, cropped.width]).toEqual(size);
    expect({ of, seed, bytes: sha256(cropped.data) }).toEqual({ of, seed, bytes });
  }
});

test("colour jitter is torchvision's on the same draws", () => {
  for (const { strength, seed, image: of, sha256: bytes } of reference.jitters) {
    const jittered = colorJitter(makeImage(of), strength, Random.fromSeed(seed));
    expect({ seed, bytes: sha256(jittered.data) }).toEqual({ seed, bytes });
  }
});

test("random affine maps are torchvision's on the same draws", () => {
  for (const { degrees, translate, scale, seed, image: of, sha256: bytes } of reference.affines) {
    const mapped = affine.randomAffine(makeImage(of), { degrees, translate, scale }, Random.fromSeed(seed));
    expect({ degrees, seed, bytes: sha256(mapped.data) }).toEqual({ degrees, seed, bytes });
  }
});

test("random erasing is timm's on the same draws", () => {
  let untouched = 0;
  for (const { seed, prob, size, pixels } of reference.erasings) {
    const before = Float32Array.from({ length: size[0] * size[1] * 3 }, (_, i) => i);
    const erased = before.slice();
    randomErasing(erased, size, prob, Random.fromSeed(seed));
    if (largestDifference(erased, before) === 0) untouched++;
    expect(largestDifference(erased, floats(pixels))).toBeLessThan(1e-6);
  }
  expect(untouched).toBeGreaterThan(0);
  expect(untouched).toBeLessThan(reference.erasings.length);
});

test("mixup, cutmix and their targets are timm's on the same draws", () => {
  for (const { options, seed, size, labels, pixels, targets } of reference.mixes) {
    const length = labels.length * size[0] * size[1] * 3;
    const batch = {
      pixels: Float32Array.from({ length }, (_, i) =>
        Math.fround(Math.sin(Math.fround(i * Math.fround(0.37)))),
      ),
      labels: Int32Array.from(labels),
      indices: Int32Array.from(labels, (_, i) => i),
    };
    const mixed = mixBatch(batch, size, options, seed);
    expect(largestDifference(mixed.pixels, floats(pixels))).toBeLessThan(2e-7);
    expect(largestDifference(mixed.targets, floats(targets))).toBeLessThan(1e-7);
  }
});

test('a batch of odd length is mixed too, its middle with itself', () => {
  const options = { mixup: 0.8, cutmix: 0, prob: 1, switchProb: 0.5, numClasses: 4, smoothing: 0 };
  const pixels = Float32Array.from({ length: 3 * 12 }, (_, i) => i);
  const batch = { pixels: pixels.slice(), labels: Int32Array.of(0, 1, 2), indices: Int32Array.of(0, 1, 2) };
  const mixed = mixBatch(batch, [2, 2], options, 3);
  expect(largestDifference(mixed.pixels.slice(12, 24), pixels.slice(12, 24))).toBeLessThan(1e-5);
  expect(largestDifference(mixed.targets.slice(4, 8), Float32Array.of(0, 1, 0, 0))).toBeLessThan(1e-6);
  expect(mixed.targets[0]! + mixed.targets[2]!).toBeCloseTo(1);
});

const NONE: AugmentConfig = {
  randomResizedCrop: null,
  affine: null,
  hflip: 0,
  colorJitter: 0,
  randAugment: null,
  randomErasing: 0,
  repeats: 1,
};

test("the whole recipe is timm's transforms_imagenet_train on the same draws", () => {
  for (const { randAugment, image: of, pixels, ...draw } of reference.recipes) {
    const augment: AugmentConfig = {
      ...NONE,
      randomResizedCrop: { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] },
      hflip: 0.5,
      colorJitter: 0.3,
      randAugment,
      randomErasing: 0.25,
    };
    const out = new Float32Array(16 * 16 * 3);
    const resize = { mode: 'short', size: 16 } as const;
    augmentImage(
      makeImage(of),
      augment,
      { preset: 'deit', resize, crop: [16, 16], mean: MEAN, std: STD },
      draw,
      out,
    );
    expect({ ...draw, close: largestDifference(out, floats(pixels)) < 1e-6 }).toEqual({
      ...draw,
      close: true,
    });
  }
});

test("an epoch's order is that of timm's RepeatAugSampler, and a permutation without repeats", () => {
  for (const { length, repeats, seed, epoch, order } of reference.orders) {
    expect([...epochOrder(length, repeats, seed, epoch)]).toEqual(order);
  }
  const order = epochOrder(1000, 1, 3, 4);
  expect(new Set(order).size).toBe(1000);
  expect(epochOrder(1000, 1, 3, 5)).not.toEqual(order);
});

test('a crop of a thin image is of at least one pixel', () => {
  for (const [width, height] of [
    [1, 40],
    [40, 1],
  ] as const) {
    const thin = { width, height, data: Uint8Array.from({ length: 120 }, (_, i) => i) };
    for (let seed = 0; seed < 200; seed++) {
      const random = Random.fromSeed(seed);
      const cropped = randomResizedCrop(thin, [2, 2], { scale: [0.001, 0.02], ratio: [1 / 20, 20] }, random);
      expect(cropped.data.some((level) => level > 0)).toBe(true);
    }
  }
});

test('beta of a parameter so small that both its gammas are 0', () => {
  expect(beta(Random.fromSeed(1), 1e-9)).toBe(0.5);
});

test.each([
  0.2, 0.8, 1, 3,
])('beta of parameter %d has the mean, variance and kurtosis of the distribution', (alpha) => {
  const random = Random.fromSeed(11);
  const values = Array.from({ length: 40_000 }, () => beta(random, alpha) - 0.5);
  const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length;
  const variance = 1 / (4 * (2 * alpha + 1));
  expect(Math.abs(moment(1))).toBeLessThan(0.01);
  expect(moment(2) / variance).toBeCloseTo(1, 1);
  expect(moment(4) / moment(2) ** 2).toBeCloseTo(3 - 6 / (2 * alpha + 3), 1);
  expect(values.every((value) => value >= -0.5 && value <= 0.5)).toBe(true);
});

test('streams of near keys are unlike, and each is the same every time', () => {
  const first = (...keys: number[]) => randomFor(1, ...keys).uint32();
  const seen = new Set<number>();
  for (let epoch = 0; epoch < 10; epoch++) {
    for (let place = 0; place < 100; place++)
      for (let step = 0; step < 6; step++) seen.add(first(epoch, place, step));
  }
  expect(seen.size).toBe(6000);
  expect(first(3, 4, 5)).toBe(first(3, 4, 5));
});
