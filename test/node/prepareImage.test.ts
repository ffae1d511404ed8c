/** Images of classify, prepared in threads: the same pixels, the same errors, and an event loop that goes on. */
import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import sharp from 'sharp';
import { preprocess } from '../../src/image/preprocess.js';
import type { RgbImage } from '../../src/image/types.js';
import { type ClassifyInput, toPixels } from '../../src/models/classify.js';
import { hasImageThreads } from '../../src/node/imageThreads.js';
import * as deit from '../../src/node/index.js';

const { tf } = deit;
const MODEL = 'examples/digits/deit_digits_distilled.pth';

/** Waves, which compress as photographs do, with some noise. */
function makeImage(width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++, i++) {
        data[i] = 128 + 90 * Math.sin(x / 40 + c) * Math.cos(y / 55) + ((x * 7 + y * 13 + c) % 11);
      }
    }
  }
  return { data, width, height };
}

const encoder = ({ data, width, height }: RgbImage) => sharp(data, { raw: { width, height, channels: 3 } });

/** The same for many pixels, which sharp makes faster. */
async function largeImage(width: number, height: number): Promise<RgbImage> {
  const pipeline = encoder(makeImage(320, 240)).resize(width, height, { fit: 'fill' });
  return { data: new Uint8Array(await pipeline.raw().toBuffer()), width, height };
}

let folder: string;
let model: deit.VisionTransformer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'deit-prepare-'));
  model = await deit.load(MODEL, { backend: 'wasm' });
});
afterAll(async () => {
  model.dispose();
  await rm(folder, { recursive: true });
});

describe.each([
  ['large', makeImage(1100, 900)],
  ['small', makeImage(90, 120)],
])('a %s image has the same pixels', (size, image) => {
  let wanted: Float32Array;
  let png: string;
  let jpeg: string;
  beforeAll(async () => {
    wanted = preprocess(image, model.preprocessing);
    png = join(folder, `${size}.png`);
    jpeg = join(folder, `${size}.jpg`);
    await encoder(image).png().toFile(png);
    await encoder(image).jpeg().toFile(jpeg);
  });

  const { data, width, height } = image;
  const rgba = Uint8ClampedArray.from({ length: width * height * 4 }, (_, i) =>
    i % 4 === 3 ? 9 : data[Math.floor(i / 4) * 3 + (i % 4)]!,
  );
  const inputs: [string, () => ClassifyInput | Promise<ClassifyInput>][] = [
    ['a path', () => png],
    ['a file: URL', () => pathToFileURL(png)],
    ['bytes', () => readFile(png)],
    [
      'shared bytes',
      async () => {
        const bytes = await readFile(png);
        const memory = new SharedArrayBuffer(bytes.length);
        new Uint8Array(memory).set(bytes);
        return memory;
      },
    ],
    ['a Blob', async () => new Blob([await readFile(png)])],
    ['a Response', async () => new Response(await readFile(png))],
    ['a stream', () => createReadStream(png)],
    ['a data: URL', async () => `data:image/png;base64,${(await readFile(png)).toString('base64')}`],
    ['a sharp instance', () => encoder(image)],
    ['RGB', () => image],
    ['RGBA', () => ({ data: rgba, width, height })],
    ['float32 levels', () => tf.tensor3d(Float32Array.from(data), [height, width, 3])],
    ['int32 levels', () => tf.tensor3d(Int32Array.from(data), [height, width, 3], 'int32')],
  ];
  test.each(inputs)('from %s', async (_, make) => {
    expect(await toPixels(await make(), model.preprocessing)).toEqual(wanted);
  });

  test('from a JPEG', async () => {
    const decoded = preprocess(await deit.decodeImage(jpeg), model.preprocessing);
    expect(await toPixels(jpeg, model.preprocessing)).toEqual(decoded);
    expect(hasImageThreads()).toBe(true);
  });
});

describe('what is wrong is told as decodeImage tells it', () => {
  test('a large file that ends early', async () => {
    const path = join(folder, 'cut.png');
    const whole = await encoder(makeImage(900, 900)).png().toBuffer();
    await writeFile(path, whole.subarray(0, whole.length / 2));
    const message = await deit.decodeImage(path).then(
      () => '',
      (error: Error) => error.message,
    );
    expect(message).toMatch(/cut\.png: /);
    await expect(model.classify(path)).rejects.toThrow(new deit.UserError(message));
    await expect(model.classify(await readFile(path))).rejects.toThrow(deit.UserError);
  });

  test('a missing file, a folder, a large tensor of normalised values', async () => {
    await expect(model.classify(join(folder, 'none.png'))).rejects.toThrow(/none\.png: no such file$/);
    await expect(model.classify(folder)).rejects.toThrow(/is a folder, expected an image$/);
    await expect(model.classify(tf.fill([900, 900, 3], 0.5) as deit.tf.Tensor3D)).rejects.toThrow(
      /look normalised/,
    );
  });
});

test('an aborted call ends, those beside it do not', async () => {
  const image = makeImage(1400, 1000);
  const wanted = await model.logits(image);
  const controller = new AbortController();
  const calls = Array.from({ length: 30 }, (_, i) =>
    model.logits(image, i % 2 === 0 ? {} : { signal: controller.signal }),
  );
  await new Promise((resolve) => setTimeout(resolve, 5));
  controller.abort(new Error('enough'));
  for (const [i, ended] of (await Promise.allSettled(calls)).entries()) {
    if (i % 2 === 0) expect(ended).toEqual({ status: 'fulfilled', value: wanted });
    else expect(ended).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
  }
});

test('a process ends by itself after its last call', async () => {
  const path = join(folder, 'for-process.png');
  await encoder(makeImage(1000, 900)).png().toFile(path);
  const code = `
    import * as deit from ${JSON.stringify(pathToFileURL(resolve('dist/src/node/index.js')).href)};
    const model = await deit.load(${JSON.stringify(MODEL)}, { backend: 'wasm' });
    console.log((await model.classify(${JSON.stringify(path)})).length);`;
  const outcome = await new Promise((done) => {
    execFile(process.execPath, ['--input-type=module', '-e', code], { timeout: 25_000 }, (error, stdout) =>
      done([error?.message, stdout]),
    );
  });
  expect(outcome).toEqual([undefined, '5\n']);
});

/** The longest delay of the event loop while `work` goes on, in ms. */
async function longestDelay(work: () => Promise<unknown>): Promise<number> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await new Promise((resolve) => setTimeout(resolve, 5));
  await work();
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  return delay.max / 1e6;
}

test('100 calls leave the event loop free, among them images of 12 megapixels', async () => {
  const huge = await largeImage(4000, 3000);
  const [png, jpeg, bmp] = ['12.png', '12.jpg', '4.ppm'].map((name) => join(folder, name));
  await encoder(huge).png({ compressionLevel: 1 }).toFile(png!);
  await encoder(huge).jpeg().toFile(jpeg!);
  const { data, width, height } = await largeImage(2300, 1800);
  await writeFile(bmp!, Buffer.concat([Buffer.from(`P6 ${width} ${height} 255\n`), data]));
  const photo = makeImage(500, 375);
  const inputs = [png!, jpeg!, bmp!, huge, ...Array.from({ length: 96 }, () => photo)];
  const here = performance.now();
  preprocess(await deit.decodeImage(bmp!), model.preprocessing);
  preprocess(huge, model.preprocessing);
  const blocked = performance.now() - here;
  // Another process may take the processor from this thread: what blocks it does so each time.
  let longest = Number.POSITIVE_INFINITY;
  for (let attempt = 0; attempt < 5 && longest > blocked / 2; attempt++) {
    longest = await longestDelay(() => Promise.all(inputs.map((input) => model.classify(input))));
  }
  expect(longest).toBeLessThan(blocked / 2);
});

describe('many small images at once', () => {
  test('have the pixels that each has alone, and leave the event loop free', async () => {
    const images = Array.from({ length: 12 }, (_, i) => makeImage(300 + i, 200));
    const files = await Promise.all(
      images.map(async (image, i) => {
        const file = join(folder, `many-${i}.png`);
        await encoder(image).png().toFile(file);
        return file;
      }),
    );
    const inputs: ClassifyInput[] = [...files, ...images];
    const all = await Promise.all(inputs.map((input) => toPixels(input, model.preprocessing)));
    for (const [i, pixels] of all.entries()) {
      expect(pixels).toEqual(preprocess(images[i % images.length]!, model.preprocessing));
    }
  });

  test('one that is none is named as it is alone', async () => {
    const none = join(folder, 'none.png');
    await writeFile(none, 'no image');
    const alone = await toPixels(none, model.preprocessing).catch((error: Error) => error.message);
    const crowd = Array.from({ length: 6 }, () => toPixels(none, model.preprocessing));
    for (const result of await Promise.allSettled(crowd)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { message: alone } });
    }
  });
});

test('pixels are classified without Node’s HTTP client being read', async () => {
  const code = `
    const deit = await import(${JSON.stringify(pathToFileURL(resolve('dist/src/node/index.js')).href)});
    const model = await deit.load(${JSON.stringify(MODEL)}, { backend: 'wasm' });
    await model.classify({ data: new Uint8Array(28 * 28 * 3), width: 28, height: 28 });
    console.log(process.moduleLoadList.filter((name) => /undici/.test(name)).length);
    process.exit();
  `;
  const output = await new Promise<string>((done, failed) => {
    execFile(process.execPath, ['--input-type=module', '-e', code], (error, stdout) =>
      error ? failed(error) : done(stdout),
    );
  });
  expect(output).toBe('0\n');
});
