/** As test/package/arguments, for what browsers' entries take: one line says what it is, whatever a page's script gives. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type * as Wasm from '../../src/browser/wasm.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage } from './page.js';
import { startServer, type TestServer } from './server.js';

type Call = (...args: unknown[]) => unknown;

interface Walk {
  /** Values of no use, by what they are. */
  readonly wrong: Readonly<Record<string, () => unknown>>;
  readonly entries: Readonly<Record<'deit-tfjs' | 'deit-tfjs/wasm', Record<string, unknown>>>;
  /** Notes a call that gives an answer, or an error that is none of one line. */
  probe(what: string, call: () => unknown): Promise<void>;
  /** What was noted. */
  readonly bad: string[];
}

declare global {
  var walk: Walk;
}

const CHECKPOINT = '/examples/digits/deit_digits_distilled.pth';
const IMAGE = '/examples/digits/val/3/00018.png';

describeInBrowser('wrong arguments', () => {
  let browser: Browser;
  let server: TestServer;
  let page: Page;

  beforeAll(async () => {
    server = await startServer();
    browser = await launchChromium();
    page = (await openPage(browser, server)).page;
    await page.evaluate(prepareWalk);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  test.each(['deit-tfjs', 'deit-tfjs/wasm'] as const)('functions of %s', async (entry) => {
    expect(await page.evaluate(walkFunctions, entry)).toEqual([]);
  });

  test.each([
    'deit-tfjs',
    'deit-tfjs/wasm',
    'a worker',
  ] as const)('a model of %s: images, options, after dispose', async (kind) => {
    expect(await page.evaluate(walkModel, { kind, checkpoint: CHECKPOINT, image: IMAGE })).toEqual([]);
  });

  test('options of load', async () => {
    expect(await page.evaluate(walkOptions, CHECKPOINT)).toEqual([]);
  });
});

async function prepareWalk(): Promise<void> {
  const { deit } = globalThis;
  const address = '/lib/wasm.js';
  const wasm: typeof Wasm = await import(address);
  await deit.useBackend('wasm');
  const bad: string[] = [];
  const disposed = () => {
    const tensor = deit.tf.zeros([1, 16, 16, 3]);
    tensor.dispose();
    return tensor;
  };
  globalThis.walk = {
    bad,
    entries: { 'deit-tfjs': deit, 'deit-tfjs/wasm': wasm },
    wrong: {
      undefined: () => undefined,
      null: () => null,
      'a number': () => -5,
      NaN: () => Number.NaN,
      'an empty text': () => '',
      'an address of nothing': () => 'blob:http://127.0.0.1/nothing',
      'an empty array': () => [],
      'an array of null': () => [null],
      'an array of text': () => ['x'],
      'an empty object': () => ({}),
      'another object': () => ({ nonsense: 1 }),
      'a function': () => () => {},
      'a symbol': () => Symbol('x'),
      'a bigint': () => -5n,
      'a Date': () => new Date(),
      'a Map': () => new Map([['topK', 1]]),
      'a Blob': () => new Blob([]),
      'a File': () => new File(['abc'], 'a.txt'),
      'no bytes': () => new Uint8Array(0),
      'a Float32Array': () => new Float32Array(3),
      'an <img> of nothing': () => new Image(),
      'an empty <canvas>': () => Object.assign(document.createElement('canvas'), { width: 0 }),
      'a <div>': () => document.createElement('div'),
      'a Response that was read': async () => {
        const response = new Response('x');
        await response.text();
        return response;
      },
      'a closed ImageBitmap': async () => {
        const bitmap = await createImageBitmap(new ImageData(2, 2));
        bitmap.close();
        return bitmap;
      },
      'a tensor of another shape': () => deit.tf.tensor2d([[1, 2]]),
      'a tensor of another dtype': () => deit.tf.zeros([16, 16, 3], 'bool'),
      'a tensor of NaN': () => deit.tf.fill([16, 16, 3], Number.NaN),
      'a disposed tensor': disposed,
      'plain numbers, too few': () => ({ data: new Float32Array(3), shape: [1, 16, 16, 3] }),
    },
    async probe(what, call) {
      try {
        const value = await call();
        if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value)
          for await (const _ of value as AsyncIterable<unknown>) break;
        bad.push(`${what}: an answer, ${Object.prototype.toString.call(value)}`);
      } catch (error) {
        const isRight = error instanceof deit.UserError || error instanceof wasm.UserError;
        const { name, message } = error as Error;
        const isPoor = message === '' || /\n|undefined \(|is not a function/.test(message);
        if (!isRight || isPoor) bad.push(`${what}: ${name}: ${message}`);
      }
    },
  };
}

async function walkFunctions(name: 'deit-tfjs' | 'deit-tfjs/wasm'): Promise<string[]> {
  const { wrong, entries, probe, bad } = globalThis.walk;
  const noArguments = ['backendNames', 'clearCache', 'clearHubCache', 'listCachedFiles', 'listKeptFiles'];
  const takes: Record<string, readonly string[]> = {
    addImageDecoder: ['a function'],
    blobSource: ['a Blob', 'a File'],
    bytesSource: ['no bytes'],
    cachedFetch: ['undefined'],
    createModel: ['an empty object'],
    resolveConfig: ['an empty object'],
    serveWorker: ['undefined'],
    setAssetFolder: ['an empty text', 'an address of nothing'],
    useBackend: ['undefined'],
  };
  const isClass = (value: object) => /^class[ {]/.test(Function.prototype.toString.call(value));
  for (const [method, run] of Object.entries(entries[name])) {
    if (typeof run !== 'function' || method === 'UserError' || noArguments.includes(method)) continue;
    const call: Call = (...args) =>
      isClass(run) ? new (run as new (...all: unknown[]) => object)(...args) : (run as Call)(...args);
    for (const [kind, make] of Object.entries(wrong)) {
      const value = await make();
      if (!takes[method]?.includes(kind)) await probe(`${method}(${kind})`, () => call(value));
      // What the second one should be is said only of a first one that is right.
      if (isClass(run) || takes[method]?.includes('undefined')) continue;
      if (
        ['createModel', 'resolveConfig'].includes(method) &&
        ['undefined', 'an empty object'].includes(kind)
      )
        continue;
      if (method === 'setAssetFolder' || method === 'addImageDecoder') continue;
      await probe(`${method}({}, ${kind})`, () => call({}, value));
    }
  }
  return bad.splice(0);
}

async function walkModel({
  kind,
  checkpoint,
  image,
}: {
  kind: 'deit-tfjs' | 'deit-tfjs/wasm' | 'a worker';
  checkpoint: string;
  image: string;
}): Promise<string[]> {
  const { wrong, entries, probe, bad } = globalThis.walk;
  const entry = entries[kind === 'a worker' ? 'deit-tfjs' : kind];
  const load = entry[kind === 'a worker' ? 'loadInWorker' : 'load'] as Call;
  const model = (await load(checkpoint, { backend: 'wasm' })) as Record<string, Call> & {
    dispose(): void;
    config: { imgSize: [number, number] };
  };
  const [height, width] = model.config.imgSize;
  const blob = await (await fetch(image)).blob();
  const pixels = [new Float32Array(height * width * 3), 1];
  const x = [globalThis.deit.tf.zeros([1, height, width, 3])];
  const images: Record<string, unknown[]> = {
    classify: [blob],
    logits: [blob],
    embed: [blob],
    attention: [blob],
    predictPixels: pixels,
    embedPixels: pixels,
    headPixels: pixels,
    inspectPixels: pixels,
    predict: x,
    predictHeads: x,
    features: x,
  };
  // These two have no options.
  const noOptions = kind === 'deit-tfjs' ? ['predict', 'predictHeads', 'headPixels'] : [];
  const lists = kind === 'a worker' ? ['classify'] : ['classify', 'logits', 'embed'];
  const methods = Object.entries(images).filter(([method]) => typeof model[method] === 'function');
  for (const [method, good] of methods) {
    for (const [what, make] of Object.entries(wrong)) {
      const value = await make();
      // No images have no answers.
      if (what !== 'an empty array' || !lists.includes(method))
        await probe(`${method}(${what})`, () => model[method]!(value));
      if (noOptions.includes(method) || ['undefined', 'an empty object'].includes(what)) continue;
      await probe(`${method}(…, ${what})`, () => model[method]!(...good, value));
    }
    if (noOptions.includes(method)) continue;
    for (const options of [{ signal: 5 }, { signal: null }, { topk: 1 }, { topK: 0 }, { attention: 1 }])
      await probe(`${method}(…, ${JSON.stringify(options)})`, () => model[method]!(...good, options));
  }
  model.dispose();
  model.dispose();
  for (const [method, good] of methods) await probe(`${method} after dispose`, () => model[method]!(...good));
  return bad.splice(0);
}

async function walkOptions(checkpoint: string): Promise<string[]> {
  const { wrong, entries, probe, bad } = globalThis.walk;
  const always = ['undefined', 'an empty object'];
  const takes: Record<string, readonly string[]> = {
    assetFolder: ['an empty text', 'an address of nothing'],
    onProgress: ['a function'],
    onBackend: ['a function'],
    fetchFile: ['a function'],
    signal: ['undefined'],
  };
  const options = [
    'cache',
    'assetFolder',
    'hub',
    'backend',
    'signal',
    'threads',
    'onProgress',
    'onBackend',
  ].concat(
    ['fetchFile', 'worker', 'preprocessing', 'convert', 'preset', 'root', 'numHeads', 'redirects'],
    ['quantize', 'dtype'],
  );
  const loads = {
    'deit-tfjs: load': entries['deit-tfjs'].load,
    'deit-tfjs/wasm: load': entries['deit-tfjs/wasm'].load,
    loadInWorker: entries['deit-tfjs'].loadInWorker,
  } as Record<string, Call>;
  for (const [name, load] of Object.entries(loads)) {
    for (const [what, make] of Object.entries(wrong)) {
      const value = await make();
      if (!always.includes(what)) await probe(`${name}(…, ${what})`, () => load(checkpoint, value));
      for (const option of options) {
        if (always.includes(what) || takes[option]?.includes(what)) continue;
        await probe(`${name}(…, {${option}: ${what}})`, () => load(checkpoint, { [option]: value }));
      }
    }
  }
  return bad.splice(0);
}
