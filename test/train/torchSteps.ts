/** What PyTorch made of steps of training, for the tests that make them again. */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import * as tf from '@tensorflow/tfjs-core';
import { convert } from '../../converters/convert.js';
import { parseCheckpoint } from '../../converters/formats/index.js';
import { weightSpecs } from '../../src/families/vit/weights.js';
import { buildModel } from '../../src/models/create.js';
import { assignWeights } from '../../src/models/weights.js';
import type { Distillation } from '../../src/train/loss.js';

/** test/fixtures/make_train_step.py: a tiny distilled model trained by PyTorch as facebookresearch/deit does it. */
const FIXTURES = new URL('../../../test/fixtures/train/', import.meta.url);

interface Case {
  type: Distillation['type'];
  alpha: number;
  tau: number;
  clip: number | null;
  lr: number[];
  total: number[];
  base: number[];
  teacher: number[];
}

export const steps = JSON.parse(readFileSync(new URL('steps.json', FIXTURES), 'utf8')) as {
  batch: number;
  steps: number;
  stepsPerEpoch: number;
  lr: number;
  warmupLr: number;
  minLr: number;
  warmupEpochs: number;
  epochs: number;
  weightDecay: number;
  emaDecay: number;
  cases: Record<string, Case>;
  recipeSchedule: number[];
};

/** Of those steps. */
export const schedule = {
  duration: steps.epochs,
  lr: steps.lr,
  minLr: steps.minLr,
  warmup: steps.warmupEpochs,
  warmupLr: steps.warmupLr,
};

export async function openFixture(name: string) {
  const bytes = await readFile(new URL(`${name}.safetensors`, FIXTURES));
  return convert(await parseCheckpoint(new Uint8Array(bytes)), { numHeads: 2, imgSize: [8, 12] });
}

export async function loadFixture() {
  const { config, readWeight, preprocessing } = await openFixture('initial');
  const model = buildModel(config, { preprocessing });
  await assignWeights(model.layersModel, readWeight);
  return model;
}

/** The script's formula: numbers in [-1, 1). */
function numbers(count: number, seed: number): Float32Array {
  return Float32Array.from(
    { length: count },
    (_, i) => (((i + 1) * (7919 + 2 * seed) + seed * 104729) % 1009) / 504.5 - 1,
  );
}

export function batchOf(step: number) {
  const smoothed = (label: number, c: number) => (c === label ? 0.9 : 0) + 0.02;
  const label = (i: number) => (3 * i + step) % 5;
  const targets = Array.from({ length: 4 }, (_, i) =>
    Array.from({ length: 5 }, (_, c) => 0.7 * smoothed(label(i), c) + 0.3 * smoothed(label(3 - i), c)),
  );
  return {
    images: tf.tensor4d(numbers(4 * 8 * 12 * 3, step), [4, 8, 12, 3]),
    targets: tf.tensor2d(targets),
    teacherLogits: tf.tensor2d(
      numbers(20, 1000 + step).map((value) => 4 * value),
      [4, 5],
    ),
  };
}

/** Largest difference of any weight from the fixture's; a weight that `read` has nothing of counts as zeros. */
export async function furthest(
  read: (name: string) => ArrayLike<number> | undefined,
  fixture: string,
): Promise<number> {
  const { config, readWeight } = await openFixture(fixture);
  let worst = 0;
  for (const { name } of weightSpecs(config)) {
    const expected = await readWeight(name);
    const got = read(name) ?? new Float32Array(expected.length);
    if (got.length !== expected.length) throw new Error(`${name}: ${got.length} values`);
    expected.forEach((value, i) => {
      const off = Math.abs(value - got[i]!);
      if (!(off <= worst)) worst = off;
    });
  }
  return worst;
}

/** What a configuration needs that reads no data. */
export const DATA = {
  data: { format: 'folder', path: 'none' },
  val: { format: 'folder', path: 'none' },
  output: 'none',
} as const;
