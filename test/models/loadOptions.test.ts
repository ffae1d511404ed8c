import { expect, test } from '@jest/globals';
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
