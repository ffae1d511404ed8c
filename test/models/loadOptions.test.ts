import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import * as deit from '../../src/node/index.js';

const MODEL = 'examples/digits/deit_digits_distilled.pth';

test.each([0, -1, 1.5, Number.NaN, '2', null])('threads: %p is refused on every backend', async (threads) => {
  for (const backend of ['wasm', 'auto']) {
    const options = { backend, threads } as deit.LoadOptions;
    await expect(deit.load(MODEL, options)).rejects.toThrow(
      /^load: threads is a whole number of at least 1, got /,
    );
  }
});

describe('dtype', () => {
  test('what is none is named, with those that there are', async () => {
    const options = { dtype: 'fp16' } as unknown as deit.LoadOptions;
    await expect(deit.load(MODEL, options)).rejects.toThrow(
      'load: dtype may be float32, tf32, bfloat16, float16, got the text "fp16"',
    );
  });

  test('float32 is what every backend computes in', async () => {
    const [asked, plain] = await Promise.all([
      deit.load(MODEL, { backend: 'wasm', dtype: 'float32' }),
      deit.load(MODEL, { backend: 'wasm' }),
    ]);
    expect(await asked.logits(image)).toEqual(await plain.logits(image));
    asked.dispose();
    plain.dispose();
  });

  test('a named backend without it is an error, and `auto` says why each was passed over', async () => {
    await expect(deit.load(MODEL, { backend: 'wasm', dtype: 'float16' })).rejects.toThrow(
      'wasm computes in float32, not in float16',
    );
    await expect(deit.load(MODEL, { backend: 'webgpu', dtype: 'tf32' })).rejects.toThrow(
      'webgpu computes in float32, float16, not in tf32',
    );
    await expect(deit.load(MODEL, { quantize: 'int8', dtype: 'float16' })).rejects.toThrow(
      'wasm computes in float32, not in float16',
    );
    const before = process.env.DEIT_WEBGPU_DEVICE;
    process.env.DEIT_WEBGPU_DEVICE = 'none';
    try {
      await expect(deit.load(MODEL, { dtype: 'float16' })).rejects.toThrow(
        /^no backend computes in float16 here: xla: .*; webgpu: DEIT_WEBGPU_DEVICE is none; tensorflow: tensorflow computes in float32, not in float16; wasm: wasm computes/,
      );
    } finally {
      if (before === undefined) delete process.env.DEIT_WEBGPU_DEVICE;
      else process.env.DEIT_WEBGPU_DEVICE = before;
    }
  });
});

test('as many threads compute as are asked for, with the same answer', async () => {
  const answers: Float32Array[] = [];
  for (const threads of [1, 2]) {
    let description = '';
    const onBackend = (choice: deit.BackendChoice) => {
      description = choice.description;
    };
    const model = await deit.load(MODEL, { backend: 'wasm', threads, onBackend });
    expect(description).toMatch(new RegExp(`${threads} threads?$`));
    answers.push(await model.logits(image));
    model.dispose();
  }
  expect(answers[1]).toEqual(answers[0]);
});

const image = { data: Uint8Array.from({ length: 28 * 28 * 3 }, (_, i) => i % 251), width: 28, height: 28 };

test('a signal ends a load with its reason, before it begins and under way', async () => {
  const reason = new Error('enough');
  await expect(deit.load(MODEL, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const controller = new AbortController();
  const onProgress = () => controller.abort(reason);
  const options = { backend: 'wasm', signal: controller.signal, onProgress };
  await expect(deit.load(MODEL, options)).rejects.toBe(reason);
});

test.each([
  [{ numHeads: 2 }, 'numHeads'],
  [{ root: 'teacher' }, 'root'],
  [{ convert: { pool: 'mean' } }, 'pool'],
  [{ convert: { activation: 'relu' } }, 'activation'],
  [{ convert: { labels: ['a'] } }, 'labels'],
])('a converted folder does not pass over %j', async (options, name) => {
  const folder = await mkdtemp(join(tmpdir(), 'deit-converted-'));
  try {
    const model = await deit.load(MODEL, { backend: 'wasm' });
    await deit.saveModel(model, join(folder, 'digits'));
    model.dispose();
    const message = new RegExp(`digits: is converted already, and ${name} is an option of its conversion`);
    const given = { backend: 'wasm', ...options } as deit.LoadOptions;
    await expect(deit.load(join(folder, 'digits'), given)).rejects.toThrow(message);
    const prepared = await deit.load(join(folder, 'digits'), { backend: 'wasm', preset: 'timm' });
    expect(prepared.preprocessing.preset).toBe('timm');
    prepared.dispose();
  } finally {
    await rm(folder, { recursive: true });
  }
});
