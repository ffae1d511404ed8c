/** deit-tfjs/wasm in Node, and what the short commands load: models without tfjs. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { backendNames } from '../../src/backend.js';
import { BACKENDS } from '../../src/cli/options.js';
import { WasmModel } from '../../src/models/wasmModel.js';
import * as full from '../../src/node/index.js';
import { loadClassifier } from '../../src/node/loadClassifier.js';
import * as wasm from '../../src/node/wasm.js';

const CHECKPOINT = 'examples/digits/deit_digits_distilled.pth';
const IMAGE = 'examples/digits/val/3/00018.png';

let folder: string;
let converted: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deit-wasm-'));
  converted = join(folder, 'digits');
  await full.saveModel(await full.load(CHECKPOINT, { backend: 'wasm' }), converted);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('deit-tfjs/wasm', () => {
  const sources: [string, () => Promise<Parameters<typeof wasm.load>[0]>][] = [
    ['a checkpoint', async () => CHECKPOINT],
    ['a file: address', async () => pathToFileURL(CHECKPOINT)],
    ['bytes', async () => new Blob([await readFile(CHECKPOINT)])],
    ['a converted folder', async () => converted],
  ];
  test.each(sources)('%s: the same bits as by deit-tfjs', async (_, source) => {
    const model = await wasm.load(await source());
    const tensors = await full.load(CHECKPOINT, { backend: 'wasm' });
    try {
      expect(model).toBeInstanceOf(WasmModel);
      expect(model.backend).toBe('wasm');
      expect(await model.logits(IMAGE)).toEqual(await tensors.logits(IMAGE));
      expect(await model.classify(IMAGE)).toEqual(await tensors.classify(IMAGE));
      expect(await model.embed(IMAGE)).toEqual(await tensors.embed(IMAGE));
    } finally {
      model.dispose();
      tensors.dispose();
    }
  });

  test('8 bits, one thread, and tensors once they are asked for', async () => {
    const model = await wasm.load(CHECKPOINT, { quantize: 'int8', threads: 1 });
    expect(model.description).toMatch(/1 thread$/);
    const tensors = await full.withTensors(model);
    expect(await tensors.logits(IMAGE)).toEqual(await model.logits(IMAGE));
    expect((await model.classify(IMAGE, { topK: 1 }))[0]!.index).toBe(3);
    tensors.dispose();
  });

  test.each([
    [{ backend: 'webgpu' }, /has the backend wasm alone, not webgpu/],
    [{ quantize: 'int4' as 'int8' }, 'models are quantized to int8, not to "int4"'],
    [{ dtype: 'float16' as const }, 'wasm computes in float32, not in float16'],
    [{ threads: 0 }, /threads is a whole number of at least 1/],
    [{ cache: false } as object, /cache/],
  ])('%j is refused', async (options, message) => {
    await expect(wasm.load(CHECKPOINT, options)).rejects.toThrow(message);
  });

  test('what is not there is named', async () => {
    await expect(wasm.load(join(folder, 'nothing'))).rejects.toThrow(/nothing: no such file or folder/);
  });
});

/** Runs a module in a process of its own; whether tfjs was loaded, which leaves its engine in the global object. */
function loadsTfjs(code: string, env: NodeJS.ProcessEnv = {}): string {
  const file = (name: string) => JSON.stringify(pathToFileURL(resolve(`dist/src/${name}`)).href);
  const script = `${code.replaceAll(/@(\S+)/g, (_, name) => file(name))}
    console.log('_tfengine' in globalThis ? 'tfjs' : 'no tfjs');`;
  const options = { encoding: 'utf8' as const, env: { ...process.env, ...env } };
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], options).trim();
}

describe('what is loaded', () => {
  const NOTHING_ELSE = () => ({ DEIT_WEBGPU_DEVICE: 'none', DEIT_NATIVE_DIR: folder, DEIT_XLA_DIR: folder });
  const classify = (backend: string) => `
    import { loadClassifier } from @node/loadClassifier.js
    const model = await loadClassifier(${JSON.stringify(resolve(CHECKPOINT))}, { backend: '${backend}' });
    const [{ index }] = await model.classify(${JSON.stringify(resolve(IMAGE))});
    console.log(index);
    model.dispose();`;

  test('deit-tfjs/wasm, deit predict and deit embed import nothing of tfjs', () => {
    expect(loadsTfjs('import @node/wasm.js')).toBe('no tfjs');
    expect(loadsTfjs('import @cli/predict.js')).toBe('no tfjs');
    expect(loadsTfjs('import @cli/embed.js')).toBe('no tfjs');
    expect(loadsTfjs('import @node/index.js')).toBe('tfjs');
  });

  test('a named wasm, and auto where nothing else is installed, compute without tfjs', () => {
    expect(loadsTfjs(classify('wasm'), { DEIT_XLA_DIR: resolve('dist') })).toBe('3\nno tfjs');
    expect(loadsTfjs(classify('auto'), NOTHING_ELSE())).toBe('3\nno tfjs');
  });

  test('auto looks further where another backend may be installed', async () => {
    await writeFile(join(folder, 'plugin.so'), 'no library');
    const env = { ...NOTHING_ELSE(), DEIT_PJRT_PLUGIN: join(folder, 'plugin.so') };
    expect(loadsTfjs(classify('auto'), env)).toBe('3\ntfjs');
  });
});

test('the command line names every backend', () => {
  expect([...BACKENDS].sort()).toEqual(['auto', ...backendNames()].sort());
});

describe('loadClassifier', () => {
  afterEach(() => {
    delete process.env.DEIT_PJRT_PLUGIN;
  });

  test('another backend is named, or is an error', async () => {
    await expect(loadClassifier(CHECKPOINT, { backend: 'warp' })).rejects.toThrow(
      'no backend is named "warp"; there are auto,',
    );
    await expect(loadClassifier(CHECKPOINT, { backend: 'xla', quantize: 'int8' })).rejects.toThrow(
      'int8 runs on the wasm backend alone, not on xla',
    );
  });

  test('a plugin that is named but is not there does not go unsaid where it is asked for', async () => {
    process.env.DEIT_PJRT_PLUGIN = join(folder, 'none.so');
    await expect(loadClassifier(CHECKPOINT, { backend: 'xla' })).rejects.toThrow(/none\.so is no file/);
  });
});
