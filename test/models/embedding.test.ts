/** Embeddings by the WASM engine, against the tokens of plain tfjs. */
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import type { EngineForward } from '../../src/engines/wasm/engine.js';
import type { WasmEngine } from '../../src/engines/wasm/index.js';
import { numPrefixTokens, type VitConfig } from '../../src/families/vit/config.js';
import { encode } from '../../src/families/vit/forward.js';
import { TfjsVitOps } from '../../src/families/vit/vitOps.js';
import { weightSpecs } from '../../src/families/vit/weights.js';
import { embeddingForward, splitEmbedding } from '../../src/models/embedding.js';
import {
  CONFIGS,
  configOf,
  difference,
  openEngine,
  randomImages,
  randomWeights,
  type Weights,
} from '../engines/wasm/models.js';

const BATCH = 3;

function open(config: VitConfig, weights: Weights): Promise<WasmEngine> {
  const embedding: EngineForward = (ops, images) => embeddingForward(ops, config, images);
  return openEngine(config, weights, { outputs: { embedding }, threads: 2 });
}

/** The tokens after the final norm on tfjs' cpu backend: [image][token][D]. */
async function tokensOf(config: VitConfig, weights: Weights, images: Float32Array): Promise<number[][][]> {
  await tf.setBackend('cpu');
  return tf.tidy(() => {
    const tensors = new Map(
      weightSpecs(config).map(({ name, shape }) => [name, tf.tensor(weights.get(name)!, [...shape])]),
    );
    const x = tf.tensor(images, [BATCH, ...config.imgSize, config.inChans]);
    const ops = new TfjsVitOps((name) => tensors.get(name));
    return encode<tf.Tensor>(ops, config, x).arraySync() as number[][][];
  });
}

function meanOf(rows: number[][]): Float32Array {
  return Float32Array.from(rows[0]!, (_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);
}

describe.each(Object.entries(CONFIGS))('%s', (_, overrides) => {
  test('class token, distillation token and mean of the patches', async () => {
    const config = configOf(overrides);
    const weights = randomWeights(config);
    const images = randomImages(config, BATCH);
    const tokens = await tokensOf(config, weights, images);
    const engine = await open(config, weights);
    const all = await engine.run(images, BATCH, { output: 'embedding' });
    const width = all.length / BATCH;
    for (const [i, rows] of tokens.entries()) {
      const found = splitEmbedding(config, all.subarray(i * width, (i + 1) * width));
      const prefix = [...rows];
      const token = (has: boolean) => (has ? Float32Array.from(prefix.shift()!) : undefined);
      const wanted = {
        classToken: token(config.classToken !== false),
        distillationToken: token(config.distilled),
        patchMean: meanOf(rows.slice(numPrefixTokens(config))),
      };
      for (const name of ['classToken', 'distillationToken', 'patchMean'] as const) {
        if (wanted[name]) expect(difference(found[name]!, wanted[name])).toBeLessThan(1e-5);
        else expect(found[name]).toBeUndefined();
      }
    }
    engine.dispose();
  });
});

describe('beside logits on one engine', () => {
  const config = configOf({ distilled: true, imgSize: [40, 40], depth: 3 });
  const weights = randomWeights(config);
  const images = randomImages(config, 24);
  const size = images.length / 24;
  const image = (i: number) => images.subarray(i * size, (i + 1) * size);

  test('each call gets its own answer, those that wait and those that do not', async () => {
    const engine = await open(config, weights);
    const output = 'embedding';
    const logits: Float32Array[] = [];
    const embeddings: Float32Array[] = [];
    for (let i = 0; i < 24; i++) {
      logits.push(await engine.run(image(i), 1));
      embeddings.push(await engine.run(image(i), 1, { output }));
    }
    const mixed = Array.from({ length: 24 }, (_, i) =>
      engine.run(image(i), 1, i % 2 === 0 ? {} : { output }),
    );
    expect(engine.predict(image(5), 1)).toEqual(logits[5]);
    for (const [i, answer] of (await Promise.all(mixed)).entries()) {
      expect(answer).toEqual((i % 2 === 0 ? logits : embeddings)[i]);
    }
    engine.dispose();
  });

  test('an aborted call ends alone, whether it runs or waits for the other output', async () => {
    const engine = await open(config, weights);
    const wanted = await engine.run(images, 24);
    for (const output of [undefined, 'embedding']) {
      const controller = new AbortController();
      const other = output === undefined ? 'embedding' : undefined;
      const [first, second, third] = [
        engine.run(images, 24, { output: other }),
        engine.run(image(0), 1, { output, signal: controller.signal }),
        engine.run(images, 24),
      ];
      await Promise.resolve();
      controller.abort(new Error('enough'));
      await expect(second).rejects.toThrow('enough');
      expect(await third).toEqual(wanted);
      expect(await first).toHaveLength(other === undefined ? 24 * 10 : 24 * 3 * config.embedDim);
    }
    engine.dispose();
  });

  test('dispose ends the calls of both; an output that is not there is an error', async () => {
    const engine = await open(config, weights);
    await expect(engine.run(image(0), 1, { output: 'other' })).rejects.toThrow(/has no output other/);
    const calls = [engine.run(images, 24), engine.run(images, 24, { output: 'embedding' })];
    engine.dispose();
    for (const ended of await Promise.allSettled(calls)) {
      expect(ended).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringContaining('disposed') },
      });
    }
  });
});
