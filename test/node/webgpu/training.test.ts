/** Training on the engine on WebGPU: what PyTorch and the engine on WASM compute. */
import { resolve } from 'node:path';
import { beforeAll, expect, test } from '@jest/globals';
import { describeOnSwiftShader, node } from './swiftshader.js';

const PROGRAM = resolve('dist/test/node/webgpu/trainingProgram.js');
const SCENARIOS = [
  'torch:none',
  'torch:soft',
  'torch:hard',
  'mixed',
  'limits',
  'frozen:tiny',
  'gradients:wide',
  'gradients:odd',
  'lost',
] as const;

describeOnSwiftShader('training on WebGPU', () => {
  // biome-ignore lint/suspicious/noExplicitAny: lines of JSON, each test knows its own
  let found: Record<(typeof SCENARIOS)[number], any>;

  beforeAll(() => {
    // One process: most of the time goes into compiling shaders, which serve all.
    const { stdout } = node([PROGRAM, ...SCENARIOS], { timeout: 280_000 });
    found = JSON.parse(stdout.trim().split('\n').at(-1)!);
  }, 300_000);

  test.each([
    'none',
    'soft',
    'hard',
  ] as const)('%s: gradients, losses, weights after 1 and 20 steps as PyTorch has them', (name) => {
    const { gradients, step1, step20, student, losses, firstLoss, ema20 } = found[`torch:${name}`];
    for (const off of [gradients, step1, firstLoss]) expect(off).toBeLessThan(1e-5);
    for (const off of [step20, student, losses]) expect(off).toBeLessThan(1e-3);
    if (name === 'soft') expect(ema20).toBeLessThan(1e-3);
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

  test.each([
    'frozen:tiny',
    'gradients:wide',
    'gradients:odd',
  ] as const)('%s: the gradients and the answers of WASM', (scenario) => {
    for (const { weights, weight, off, norm, answers } of found[scenario]) {
      expect(weights[0]).toBe(weights[1]);
      expect([weight, off < 1e-5 ? 'equal' : off]).toEqual([weight, 'equal']);
      expect(norm).toBeLessThan(1e-5);
      expect(answers).toBeLessThan(1e-5);
    }
  });

  test('attention pooling is left to tfjs, in words; a batch that does not fit goes through in parts', () => {
    const { refused, seen, gradients, answers } = found.limits;
    expect(refused).toBe('UserError: attn_pool: attention pooling');
    expect(seen[0]).toEqual([0]);
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
});
