import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { attachRuntime, useBackend } from '../../../src/backend.js';
import type { VitConfig } from '../../../src/families/vit/config.js';
import { createModel } from '../../../src/models/create.js';
import { load } from '../../../src/node/load.js';
import { findPlugin } from '../../../src/node/pjrt/plugin.js';
import { showXla, testedXlaFolder } from '../../xla.js';

const DIGITS = 'examples/digits';
const cache = mkdtempSync(join(tmpdir(), 'deit-xla-'));
process.env.DEIT_CACHE = cache;
showXla();

afterAll(() => rmSync(cache, { recursive: true, force: true }));

const SMALL: Partial<VitConfig> = {
  imgSize: [32, 48],
  patchSize: 8,
  embedDim: 32,
  depth: 2,
  numHeads: 4,
  numClasses: 7,
};

/** Every field that changes the forward pass, in some company. */
const VARIANTS: Record<string, Partial<VitConfig>> = {
  plain: {},
  distilled: { distilled: true },
  'distilled, no heads': { distilled: true, numClasses: 0 },
  'DeiT III': { posEmbedPrefix: false, layerScale: 0.5 },
  'patches not square, no bias': { patchSize: [8, 12], patchBias: false, qkvBias: false },
  'pixels left over': { imgSize: [37, 51] },
  'map pooling, tanh GELU, q and k norm': {
    pool: 'map',
    activation: 'gelu_tanh',
    qkNorm: true,
    classToken: false,
    registers: 2,
    posEmbedPrefix: false,
  },
  'class token and mean, SwiGLU, registers': { pool: 'token_mean', swiglu: true, registers: 3 },
  'mean, fc_norm, no final norm': { pool: 'mean', fcNorm: true, finalNorm: false },
  'pre-norm, quick GELU, parallel, pre-logits': {
    preNorm: true,
    activation: 'quick_gelu',
    parallel: 2,
    preLogits: 16,
  },
  relu: { activation: 'relu', registers: 1, registerPositions: true },
};

/** The same model's logits layer by layer on WASM and by XLA. */
async function bothLogits(fields: Partial<VitConfig>, batch: number) {
  await useBackend('wasm');
  const model = createModel({ ...SMALL, ...fields });
  const [height, width] = model.config.imgSize;
  const x = tf.tidy(() => {
    const values = tf.sin(tf.mul(tf.range(0, batch * height * width * 3), 0.7));
    return tf.reshape(values, [batch, height, width, 3]) as tf.Tensor4D;
  });
  try {
    const expected = await model.predict(x).data<'float32'>();
    await attachRuntime(model, 'xla');
    expect(model.backend).toBe('xla');
    const found = await model.predict(x).data<'float32'>();
    return { expected, found };
  } finally {
    x.dispose();
    model.dispose();
  }
}

function relativeDifference(found: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  expect(found).toHaveLength(expected.length);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / largest;
}

(testedXlaFolder ? describe : describe.skip)('XLA by a PJRT plugin', () => {
  test.each(Object.keys(VARIANTS))('%s: the logits of WASM', async (name) => {
    const { expected, found } = await bothLogits(VARIANTS[name]!, 2);
    expect(relativeDifference(found, expected)).toBeLessThan(2e-6);
  });

  test('a batch between two powers of two is filled up, and none of it is in the answer', async () => {
    const { expected, found } = await bothLogits({}, 3);
    expect(relativeDifference(found, expected)).toBeLessThan(2e-6);
  });

  test('embeddings and both heads come from XLA too', async () => {
    await useBackend('wasm');
    const model = createModel({ ...SMALL, distilled: true });
    const images = Float32Array.from({ length: 2 * 32 * 48 * 3 }, (_, i) => Math.sin(i));
    const onWasm = await model.embedPixels(images, 2);
    await attachRuntime(model, 'xla');
    expect(relativeDifference(await model.embedPixels(images, 2), onWasm)).toBeLessThan(2e-6);
    const heads = (await model.headPixels(images, 2))!;
    const mean = Float32Array.from({ length: 14 }, (_, i) => {
      const at = Math.floor(i / 7) * 14 + (i % 7);
      return (heads[at]! + heads[at + 7]!) / 2;
    });
    expect(relativeDifference(await model.predictPixels(images, 2), mean)).toBeLessThan(2e-6);
    model.dispose();
  });

  test('a smaller batch goes through the program that is there', async () => {
    await useBackend('wasm');
    const model = createModel(SMALL);
    await attachRuntime(model, 'xla');
    const images = Float32Array.from({ length: 8 * 32 * 48 * 3 }, (_, i) => Math.sin(i));
    const all = await model.predictPixels(images, 8);
    const programs = readdirSync(join(cache, 'xla-programs')).length;
    const some = await model.predictPixels(images.subarray(0, 3 * 32 * 48 * 3), 3);
    expect(relativeDifference(some, all.subarray(0, some.length))).toBeLessThan(1e-6);
    expect(readdirSync(join(cache, 'xla-programs'))).toHaveLength(programs);
    model.dispose();
  });

  test('a process that has opened a plugin ends with its own exit code', () => {
    const code = `import { PjrtApi } from '${resolve('dist/src/node/pjrt/api.js')}';
      import { PjrtClient } from '${resolve('dist/src/node/pjrt/client.js')}';
      new PjrtClient(new PjrtApi(process.argv[1]), {});
      process.exitCode = 3;`;
    const { status, signal } = spawnSync(process.execPath, [
      '--input-type=module',
      '--eval',
      code,
      findPlugin(),
    ]);
    expect({ status, signal }).toEqual({ status: 3, signal: null });
  });

  test('bfloat16 by dtype, over DEIT_XLA_DTYPE', async () => {
    process.env.DEIT_XLA_DTYPE = 'tf32';
    try {
      const [checkpoint, image] = [`${DIGITS}/deit_digits_distilled.pth`, `${DIGITS}/val/3/00018.png`];
      const model = await load(checkpoint, { backend: 'xla', dtype: 'bfloat16' });
      const exact = await load(checkpoint, { backend: 'wasm' });
      const difference = relativeDifference(await model.logits(image), await exact.logits(image));
      expect(difference).toBeGreaterThan(1e-5);
      expect(difference).toBeLessThan(2e-2);
      model.dispose();
      exact.dispose();
    } finally {
      delete process.env.DEIT_XLA_DTYPE;
    }
  });

  test('bfloat16 by DEIT_XLA_DTYPE; another name is refused', async () => {
    process.env.DEIT_XLA_DTYPE = 'bfloat16';
    try {
      const { expected, found } = await bothLogits({}, 1);
      const difference = relativeDifference(found, expected);
      expect(difference).toBeGreaterThan(1e-5);
      expect(difference).toBeLessThan(2e-2);
      process.env.DEIT_XLA_DTYPE = 'bf8';
      for (const backend of ['xla', 'auto']) {
        await expect(useBackend(backend)).rejects.toThrow(/DEIT_XLA_DTYPE is "bf8"; it may be float32, tf32/);
      }
    } finally {
      delete process.env.DEIT_XLA_DTYPE;
    }
  });

  test('compiled programs are kept; a damaged one is compiled anew', async () => {
    const folder = join(cache, 'xla-programs');
    await bothLogits({}, 2);
    const programs = readdirSync(folder);
    expect(programs.length).toBeGreaterThan(0);
    for (const program of programs) writeFileSync(join(folder, program), 'damaged');
    const { expected, found } = await bothLogits({}, 2);
    expect(relativeDifference(found, expected)).toBeLessThan(2e-6);
  });

  test('a device by its number: its own program, the same logits', async () => {
    const [checkpoint, image] = [`${DIGITS}/deit_digits_distilled.pth`, `${DIGITS}/val/3/00018.png`];
    const folder = join(cache, 'xla-programs');
    const found: { description: string; logits: Float32Array; programs: number }[] = [];
    for (const device of [undefined, '1', '1']) {
      let description = '';
      const onBackend = (choice: { description: string }) => {
        description = choice.description;
      };
      const model = await load(checkpoint, { backend: 'xla', device, onBackend });
      const logits = await model.logits(image);
      model.dispose();
      found.push({ description, logits, programs: readdirSync(folder).length });
    }
    expect(found.map(({ description }) => description.replace(/to \d+/, 'to N'))).toEqual([
      'xla: cpu, cpu (device 0 of 0 to N), float32',
      'xla: cpu, cpu (device 1 of 0 to N), float32',
      'xla: cpu, cpu (device 1 of 0 to N), float32',
    ]);
    for (const { logits } of found) expect(logits).toEqual(found[0]!.logits);
    const [first, second, third] = found.map(({ programs }) => programs);
    expect([second! - first!, third! - second!]).toEqual([1, 0]);
  });

  test('a device that is not there: which there are; auto takes the plugin’s CPU only where it is named', async () => {
    await expect(useBackend('xla', { device: '99' })).rejects.toThrow(
      /^xla finds no device "99"; there are: 0 cpu, 1 cpu/,
    );
    expect((await useBackend('auto', { device: 'CPU' })).backend).toBe('xla');
    const { backend, passedOver } = await useBackend('auto');
    expect(backend).not.toBe('xla');
    expect(passedOver).toContain('xla: the plugin computes on the CPU');
  });

  test('what is computed by layers is not said to run on XLA', async () => {
    await expect(useBackend('xla', { layers: true })).rejects.toThrow(
      'xla computes predictions and embeddings of vision transformers alone; wasm would compute this',
    );
    expect((await useBackend('auto', { device: undefined, layers: true })).backend).not.toBe('xla');
  });

  test('a changed weight drops the program, and the layers predict', async () => {
    await useBackend('wasm');
    const model = createModel(SMALL);
    await attachRuntime(model, 'xla');
    expect(model.backend).toBe('xla');
    const weights = model.layersModel.getWeights();
    model.layersModel.setWeights(weights.map((weight) => tf.add(weight, 0.01)));
    tf.dispose(model.predict(tf.zeros([1, 32, 48, 3])));
    expect(model.backend).toBe('wasm');
    model.dispose();
  });
});

test('without a plugin one line says what installs it', () => {
  expect(() => findPlugin({ DEIT_XLA_DIR: join(cache, 'none') })).toThrow(/setup-native --xla/);
  expect(() => findPlugin({ DEIT_PJRT_PLUGIN: '/no/such/plugin.so' })).toThrow(/is no file/);
});

test('a library that is no plugin is refused by name', async () => {
  const file = join(cache, 'no-plugin.so');
  writeFileSync(file, 'not a library');
  process.env.DEIT_PJRT_PLUGIN = file;
  try {
    const { PjrtApi } = await import('../../../src/node/pjrt/api.js');
    expect(() => new PjrtApi(file)).toThrow(/no-plugin\.so: is no PJRT plugin/);
  } finally {
    delete process.env.DEIT_PJRT_PLUGIN;
  }
});
