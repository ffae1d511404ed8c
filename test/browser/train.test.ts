/** Training in a page: the loop, the losses and the gradients are those of Node. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import * as inNode from '../../src/node/index.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage } from './page.js';
import { startServer, type TestServer } from './server.js';

/** Trains a distilled student for two epochs under a teacher; gives its losses. Runs in the page too, so it holds all it needs. */
async function train(deit: typeof inNode, backend: string) {
  await deit.useBackend(backend);
  const [side, count] = [8, 12];
  const shape = { imgSize: [side, side] as const, patchSize: 4, embedDim: 16, depth: 2, numHeads: 2 };
  const model = deit.createModel({ ...shape, numClasses: 3, distilled: true }, { seed: 1 });
  const teaching = deit.createModel({ ...shape, numClasses: 3 }, { seed: 2 });
  const images = (from: number, size: number) => ({
    pixels: Float32Array.from({ length: size * side * side * 3 }, (_, i) => Math.sin(i + 1000 * from)),
    labels: Int32Array.from({ length: size }, (_, i) => (from + i) % 3),
    indices: Int32Array.from({ length: size }, (_, i) => from + i),
  });
  const classNames = ['a', 'b', 'c'];
  const describe = (index: number) => `wave ${index}`;
  const common = { name: 'waves', length: count, classNames, describe, close: async () => {} };
  const data = {
    ...common,
    batchesPerEpoch: (size: number) => Math.floor(count / size),
    async *batches(_epoch: number, { batchSize, start }: { batchSize: number; start: number }) {
      for (let at = start * batchSize; at < count; at += batchSize) yield images(at, batchSize);
    },
  };
  const val = {
    ...common,
    labels: Array.from({ length: count }, (_, i) => i % 3),
    async *batches(size: number) {
      for (let at = 0; at < count; at += size) yield images(at, size);
    },
  };
  const config = deit.resolveTrainConfig({
    data: { format: 'folder', path: 'none' },
    val: { format: 'folder', path: 'none' },
    distillation: { type: 'soft', tau: 3, teacher: 'none' },
    optimizer: { lr: 0.01, lrBatch: null },
    schedule: { epochs: 2, warmupEpochs: 0 },
    batchSize: 4,
    evalBatchSize: 6,
    output: 'none',
  });
  const student = deit.studentOf(model, { frozenBlocks: 0, attentionOnly: false });
  const teacher = deit.teacherOfModel(teaching);
  const engine = backend === 'webgpu' ? await deit.openTrainingEngine(student, config) : undefined;
  const trainer = new deit.Trainer({ config, student, engine, imgSize: [side, side], teacher, data, val });
  const losses: number[] = [];
  const end = await trainer.run({
    onStep: ({ loss }) => void losses.push(loss),
    onEpoch: (record) => void losses.push(record.val.loss, record.ema?.loss ?? 0),
  });
  trainer.dispose();
  engine?.dispose();
  for (const one of [model, teaching]) one.dispose();
  return { end, losses, description: engine?.description };
}

describeInBrowser('training in a page', () => {
  let browser: Browser;
  let server: TestServer;
  let page: Page;
  let expected: Awaited<ReturnType<typeof train>>;

  beforeAll(async () => {
    expected = await train(inNode, 'wasm');
    server = await startServer({});
    browser = await launchChromium();
    ({ page } = await openPage(browser, server));
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  test.each(['wasm', 'webgl', 'webgpu'])('on %s gives the losses of Node', async (backend) => {
    const found = (await page.evaluate(`(${train})(deit, '${backend}')`)) as typeof expected;
    expect(expected.losses).toHaveLength(10);
    expect(found.end).toBe('done');
    if (backend === 'webgpu')
      expect(found.description).toMatch(/^own training engine, WebGPU on .*, float32$/);
    for (const [i, loss] of found.losses.entries()) {
      expect(Math.abs(loss - expected.losses[i]!)).toBeLessThan(1e-4);
    }
    expect(new Set(expected.losses).size).toBe(10);
  }, 240_000);

  test('a student that is not on WebGPU is refused an engine, in words', async () => {
    const refused = await page.evaluate(`(async () => {
      await deit.useBackend('wasm');
      const model = deit.createModel({ imgSize: [8, 8], patchSize: 4, embedDim: 8, depth: 1, numHeads: 2, numClasses: 2 });
      const student = deit.studentOf(model, { frozenBlocks: 0, attentionOnly: false });
      const run = { distillation: { type: 'none', alpha: 0, tau: 1 }, emaDecay: null };
      return deit.openTrainingEngine(student, run).then(() => 'no error', String).finally(() => model.dispose());
    })()`);
    expect(refused).toMatch(/^UserError: in a browser the training engine computes on webgpu, .* on wasm/);
  });
});
