/** Training on the engine on WebGPU: what PyTorch and the engine on WASM compute. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { expectTorchSteps } from '../../train/expectTorchSteps.js';
import { describeOnSwiftShader, node } from './swiftshader.js';

const PROGRAM = resolve('dist/test/node/webgpu/trainingProgram.js');
/** Most of the time goes into compiling shaders for a software adapter: the rest runs with DEIT_WEBGPU_ALL=1. */
const MORE = [
  'torch:none',
  'torch:hard',
  'frozen:tiny|pooled',
  'gradients:wide',
  'gradients:odd',
  'gradients:oddPooled',
] as const;
const all = process.env.DEIT_WEBGPU_ALL === '1';
const SCENARIOS = [
  'torch:soft',
  'mixed',
  'gradients:pooled',
  'limits',
  'lost',
  'memory',
  'run',
  ...(all ? MORE : []),
];

const work = mkdtempSync(join(tmpdir(), 'deit-webgpu-training-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

describeOnSwiftShader('training on WebGPU', () => {
  // biome-ignore lint/suspicious/noExplicitAny: lines of JSON, each test knows its own
  let found: Record<string, any>;

  beforeAll(() => {
    // One process: what is compiled serves all.
    const run = `run:${join(work, 'run')}`;
    const { stdout } = node([PROGRAM, ...SCENARIOS.filter((name) => name !== 'run'), run], {
      timeout: 600_000,
    });
    const { [run]: ran, ...others } = JSON.parse(stdout.trim().split('\n').at(-1)!);
    found = { ...others, run: ran };
  }, 620_000);

  test.each(
    all ? ['none', 'soft', 'hard'] : ['soft'],
  )('%s: gradients, losses, weights after 1 and 20 steps as PyTorch has them', (name) => {
    expectTorchSteps(name, found[`torch:${name}`]);
  });

  test('drop path, accumulation, clipping and a running mean come to what they come to on WASM', () => {
    const { names, losses, tensors, ofMean, changed, back } = found.mixed;
    expect(names).toBe(true);
    expect(losses).toBeLessThan(1e-4);
    expect(tensors).toBeLessThan(2e-3);
    expect(ofMean).toBeLessThan(1e-4);
    expect(changed).toBeGreaterThan(0.01); // the mean answers otherwise than the weights,
    expect(back).toBe(0); // which are what they were behind it
  });

  test.each(
    SCENARIOS.filter((name) => /^(frozen|gradients):/.test(name)),
  )('%s: the gradients and the answers of WASM', (scenario) => {
    for (const { weights, weight, off, norm, answers } of found[scenario]) {
      expect(weights[0]).toBe(weights[1]);
      expect([weight, off < 1e-5 ? 'equal' : off]).toEqual([weight, 'equal']);
      expect(norm).toBeLessThan(1e-5);
      expect(answers).toBeLessThan(1e-5);
    }
  });

  test('a tf.LayersModel is left to tfjs, in words; a batch that does not fit goes through in parts', () => {
    const { refused, seen, again, gradients, answers } = found.limits;
    expect(refused).toBe('UserError: a tf.LayersModel');
    expect(seen[0]).toEqual([0]);
    expect(again).toBe(0); // the same bits
    expect(seen[1].length).toBeGreaterThan(1);
    expect(gradients).toBeLessThan(1e-5);
    expect(answers).toBeLessThan(1e-6);
  });

  test('a lost device ends in one line that says how to go on', () => {
    const { gone, given } = found.lost;
    expect(gone).toMatch(
      /^UserError: the webgpu backend lost its GPU \(.*\): go on from the last checkpoint/,
    );
    expect(given).toBe('no error');
  });

  test('a run whose GPU is lost keeps its last checkpoint, and goes on from it on another backend', () => {
    const { gone, end, count, losses, computes } = found.run;
    expect(gone).toMatch(/^UserError: the webgpu backend lost its GPU .*\(deit train --resume\)/);
    expect(computes[0]).toMatch(/^computes: own training engine, WebGPU on swiftshader/);
    expect(computes).toContain('goes on after step 1 (epoch 0, 1 batches of it done)');
    expect([end, count]).toEqual(['done', 4]);
    const [onGpu, resumed, whole] = losses as number[][];
    for (const [i, loss] of [onGpu![0]!, ...resumed!].entries()) expect(loss).toBeCloseTo(whole![i]!, 5);
  });

  test('a device with little memory is given smaller parts, and a model that it cannot hold is left to tfjs', () => {
    const { base, seen, complaints } = found.memory;
    // By what a buffer may hold, or, where that is more, by the memory.
    expect(base).toMatch(
      /^UserError: (347 MB of weights, where a buffer of this GPU has at most \d+ MB|1\d{3} MB of weights and what goes with each: the GPU's memory is too small)$/,
    );
    // Of 48 images 12 fit; of the next batch all eight, as the memory of the twelve is there for them.
    expect(seen).toEqual([12, 12, 12, 12, 8]);
    expect(complaints).toEqual([]);
  });
});
