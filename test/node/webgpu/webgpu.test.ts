import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { adapterChoice } from '../../../src/node/webgpu/adapter.js';
import { describeOnSwiftShader, node, type Run } from './swiftshader.js';

const DIGITS = resolve('examples/digits');
const VAL = join(DIGITS, 'val');
const PROGRAM = resolve('dist/test/node/webgpu/program.js');

const work = mkdtempSync(join(tmpdir(), 'deit-webgpu-'));
const model = join(work, 'digits');
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Garbage is collected all the while in those that load models as users do, and lose them. */
const COLLECTING = ['logits', 'lost'];

/** What a scenario of program.ts found. */
function found(scenario: string, options?: Run) {
  const flags = COLLECTING.includes(scenario) ? ['--expose-gc'] : [];
  const { stdout } = node([...flags, PROGRAM, scenario, model, VAL], options);
  return JSON.parse(stdout.trim().split('\n').at(-1)!);
}

function difference(found: readonly number[], expected: readonly number[]): number {
  expect(found).toHaveLength(expected.length);
  const largest = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(value - found[i]!))) / largest;
}

describeOnSwiftShader('WebGPU in Node', () => {
  beforeAll(() => {
    const checkpoint = join(DIGITS, 'deit_digits_distilled.pth');
    node(['dist/converters/cli.js', checkpoint, model, '--labels', join(DIGITS, 'labels.txt')]);
  });

  test('models on webgpu and wasm at once: the logits of WASM and of PyTorch, and the process ends', () => {
    const reference = JSON.parse(readFileSync(join(DIGITS, 'reference.json'), 'utf8')).perImage as {
      file: string;
      top5: number[];
      logits: number[];
    }[];
    const { both, features, descriptions, backends, kernel, navigatorGpu } = found('logits');
    expect(both).toHaveLength(3);
    for (const { file, found, expected } of both) {
      expect(difference(found, expected)).toBeLessThan(1e-5);
      const { top5, logits } = reference.find((entry) => entry.file === file)!;
      expect(
        difference(
          top5.map((index) => found[index]),
          logits,
        ),
      ).toBeLessThan(1e-5);
    }
    expect(difference(features[0], features[1])).toBeLessThan(1e-5);
    expect(descriptions[0]).toMatch(
      /^webgpu: swiftshader-device-subzero, SwiftShader .*, tensors to \d+ MiB, float32$/,
    );
    expect(backends).toEqual(['webgpu', 'wasm']);
    expect(kernel).toBe(true);
    expect(navigatorGpu).toBe(false); // other libraries would take it for a browser's
  });

  test.each([
    ['mapPooling', undefined],
    ['twoHeads', 42],
  ])('the engine, %s: logits, embeddings and heads of WASM, from numbers and from tensors', (scenario, numbers) => {
    interface Outputs {
      tensor: number[];
      pixels: number[];
      embeddings: number[];
    }
    const outputs = found(scenario) as { found: Outputs; expected: Outputs; heads: number[] | undefined };
    const { expected, heads } = outputs;
    for (const key of ['tensor', 'pixels', 'embeddings'] as const) {
      expect(difference(outputs.found[key], expected[key])).toBeLessThan(2e-6);
    }
    expect(heads?.length).toBe(numbers);
    if (!heads) return;
    const mean = expected.pixels.map((_, i) => {
      const at = Math.floor(i / 7) * 14 + (i % 7);
      return (heads[at]! + heads[at + 7]!) / 2;
    });
    expect(difference(mean, expected.pixels)).toBeLessThan(2e-6);
  });

  test('a batch larger than the device binds is cut, or refused where it is a tensor', () => {
    const { found: sums, expected, refused } = found('batches');
    expect(sums).toEqual(expected);
    expect(refused).toMatch(/^UserError: a batch of 5 images needs a tensor larger .*; at most 2 fit/);
  });

  test('a norm that is part of a product gives the same bits as one in a pass of its own', () => {
    const runs = found('norms') as { steps: number[]; joined: number[]; apart: number[] }[];
    expect(runs).toHaveLength(2);
    for (const { steps, joined, apart } of runs) {
      expect(steps).toEqual([2 + 1 + 2 * 3, 2 + 1 + 2 + 3 * 2 + 2 * 3]);
      expect(joined).toHaveLength(2 * 3 * 50);
      expect(Math.max(...joined)).toBeGreaterThan(0.1);
      expect(joined).toEqual(apart);
    }
  });

  test('shaders of float16 and of whole matrices are WGSL that Dawn takes', () => {
    const { count, complaints, features } = found('shaders');
    expect(features).toHaveLength(3);
    expect(count).toBeGreaterThan(20);
    expect(complaints).toEqual([]);
  });

  test('DEIT_WEBGPU_DTYPE: float16 where the adapter has it, another name is refused', () => {
    const { error } = found('error', { env: { DEIT_WEBGPU_DTYPE: 'float16' } });
    expect(error).toMatch(/^UserError: swiftshader.* has no float16 \(shader-f16\)/);
    expect(found('float16').error).toBe(error);
    const { error: wrong } = found('error', { env: { DEIT_WEBGPU_DTYPE: 'half' } });
    expect(wrong).toMatch(/^UserError: DEIT_WEBGPU_DTYPE is "half"; it may be float32, float16/);
  });

  test('a lost device and a refused buffer end in one line, and the model loads again', () => {
    const { gone, again, refused } = found('lost');
    expect(gone).toMatch(/^UserError: the webgpu backend lost its GPU \(.*\).*load the model again$/);
    expect(again).toBe(0);
    expect(refused).toMatch(/^UserError: the webgpu backend lost its GPU \(Buffer size .* exceeds .*\)/);
  });

  test.each([
    [
      'while it is tried',
      '1',
      /^deit: the webgpu backend does not work here: its GPU went away while it was tried$/,
    ],
    [
      'in a pass',
      '3',
      /^deit: the webgpu backend lost its GPU \(.*\); run the command again, or with another --backend$/,
    ],
  ])('deit predict whose GPU goes away %s ends in one line, whatever images are left', (_, at, line) => {
    const hook = pathToFileURL(resolve('dist/test/node/webgpu/loseDevice.js')).href;
    const images = ['0/00003.png', '0/00010.png', '0/00013.png'].map((file) => join(VAL, file));
    const args = ['dist/src/cli/deit.js', 'predict', model, ...images, '--backend', 'webgpu'];
    let stderr = '';
    try {
      node(['--import', hook, ...args], { env: { LOSE_AT: at } });
    } catch (error) {
      [, stderr = ''] =
        /stderr: ([\s\S]*)$/.exec((error as Error).message.replace(/signal \w+: /, 'stderr: ')) ?? [];
    }
    const lines = stderr
      .trim()
      .split('\n')
      .filter((said) => !said.startsWith('assumed: '));
    expect(lines).toEqual([expect.stringMatching(line)]);
  });

  test('a loaded model takes no processor time while nothing is asked of it, and holds no process', () => {
    const { working, idle } = found('polling');
    expect(idle.asked).toBe(0);
    expect(idle.processor).toBeLessThan(idle.passed / 5);
    // Compiling takes seconds there: it is not asked for without a pause.
    expect(working.asked).toBeLessThan(working.passed);
  });

  test('dataSync() says how values are read', () => {
    const { error, values } = found('dataSync');
    expect(error).toMatch(/^UserError: .*await tensor\.data\(\)/);
    expect(values).toEqual([2, 3]);
  });

  test('tf.addN of more tensors than a shader has bindings', () => {
    const sums = found('addN') as { count: number; values: number[]; kept: number; dataIds: number }[];
    for (const { count, values, kept, dataIds } of sums) {
      expect(values).toEqual([(count * (count - 1)) / 2, count]);
      expect(kept).toBe(1);
      expect(dataIds).toBe(sums[0]!.dataIds);
    }
  });

  test('in a worker thread', () => {
    const { code, choice } = found('worker', { env: { DEIT_WEBGPU_DEVICE: 'swiftshader' } });
    expect(code).toBe(0);
    expect(choice).toMatchObject({ backend: 'webgpu' });
  });

  test('auto passes a software adapter over, unless it is named', () => {
    const passed = found('choice');
    expect(passed.backend).toBe('wasm');
    expect(passed.passedOver.join('\n')).toMatch(
      /^webgpu: only software rendering here \(swiftshader-device-subzero, SwiftShader/m,
    );
    const named = found('choice', { env: { DEIT_WEBGPU_DEVICE: 'swiftshader' } });
    expect(named.backend).toBe('webgpu');
  });

  test('a device that is not there: which there are', () => {
    const { error } = found('error', { env: { DEIT_WEBGPU_DEVICE: 'GeForce' } });
    expect(error).toMatch(
      /^UserError: DEIT_WEBGPU_DEVICE is "GeForce": webgpu finds no device "GeForce"; there are: 0 SwiftShader Device/,
    );
  });

  test.each([
    ['no driver', { VK_DRIVER_FILES: join(work, 'none.json') }],
    ['a back end of Dawn that is not in this build', { DEIT_DAWN_FLAGS: 'backend=opengl' }],
  ])('no adapter (%s): one line', (_, env) => {
    const { error } = found('error', { env });
    expect(error).toMatch(/^UserError: WebGPU finds no GPU; on Linux it needs .*libvulkan/);
  });

  test('flags of Dawn are used; wrong ones are an error', () => {
    const env = { DEIT_DAWN_FLAGS: 'backend=vulkan;disable-dawn-features=timestamp_quantization' };
    expect(found('error', { env })).toEqual({ error: 'no error' });
    const { error } = found('error', { env: { DEIT_DAWN_FLAGS: 'backend=foo' } });
    expect(error).toMatch(
      /^UserError: WebGPU does not start with DEIT_DAWN_FLAGS: unrecognised backend 'foo'/,
    );
  });

  test('without the package, and with one that has no binary here: what to install', () => {
    expect(found('missing').error).toMatch(/^UserError: the package webgpu is not installed; `npm install/);
    const broken = join(work, 'node_modules', 'webgpu');
    mkdirSync(broken, { recursive: true });
    writeFileSync(join(broken, 'package.json'), '{"name": "webgpu", "type": "module", "main": "index.js"}');
    writeFileSync(
      join(broken, 'index.js'),
      'throw new Error("dawn.node: version GLIBC_2.34 not found\\nstack")',
    );
    expect(found('error', { cwd: work }).error).toMatch(
      /^UserError: the package webgpu cannot be loaded on .*GLIBC_2\.34 not found\); it needs/,
    );
  });

  test('int8 is refused', () => {
    expect(() =>
      node(['dist/src/cli/deit.js', 'predict', model, VAL, '--backend', 'webgpu', '--quantize', 'int8']),
    ).toThrow(/int8 runs on the wasm backend alone, not on webgpu/);
  });
});

test('DEIT_WEBGPU_DEVICE=none and flags that are none', () => {
  expect(() => adapterChoice({ DEIT_WEBGPU_DEVICE: 'none' })).toThrow(/DEIT_WEBGPU_DEVICE is none/);
  expect(() => adapterChoice({ DEIT_DAWN_FLAGS: 'adapter=x' })).toThrow(
    /DEIT_DAWN_FLAGS: "adapter=x"; flags are/,
  );
  expect(adapterChoice({ DEIT_DAWN_FLAGS: 'backend=vulkan;' })).toEqual({
    device: undefined,
    bySetting: false,
    flags: ['backend=vulkan'],
  });
  expect(adapterChoice({ DEIT_WEBGPU_DEVICE: 'none' }, { device: 'a' })).toMatchObject({ device: 'a' });
});
