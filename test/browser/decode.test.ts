/** Images decoded in a page: Pillow's pixels, whatever they come in; and what is no image, or too large. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import { decodeImage } from '../../src/node/decode.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage } from './page.js';
import { startServer, type TestServer } from './server.js';

/** What Pillow reads from the images of test/fixtures/images (make_images.py). */
const pillow = JSON.parse(readFileSync('test/fixtures/images.json', 'utf8')).files as Record<
  string,
  { width: number; height: number; sha256: string; error?: boolean }
>;
const PILLOWS = Object.keys(pillow);
/** Read by Pillow and refused: here as in Node, or here alone. */
const REFUSED = [
  'lab.tif',
  'ycbcr-44.tif',
  'planes16.tif',
  'jpeg-planes-lab.tif',
  'jpeg-planes-extra.tif',
  'jpeg-planes.tif',
];
const CMYK = ['cmyk.jpg', 'cmyk-plain.jpg', 'ycck.jpg', 'cmyk-icc.jpg'];

/** Runs in the page: size and hash of each file's pixels, or the error. */
async function decodeAll(files: string[]) {
  const results: Record<string, string> = {};
  for (const file of files) {
    const bytes = await (await fetch(`/fixtures/images/${file}`)).arrayBuffer();
    try {
      const { data, width, height } = await globalThis.deit.decodeImage(new File([bytes], file));
      const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', data as BufferSource));
      const hex = Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
      results[file] = `${width}×${height} ${hex}`;
    } catch (error) {
      results[file] = `${(error as Error).name}: ${(error as Error).message}`;
    }
  }
  return results;
}

describeInBrowser('images in a page', () => {
  let browser: Browser;
  let server: TestServer;
  let page: Page;

  beforeAll(async () => {
    server = await startServer();
    browser = await launchChromium();
    ({ page } = await openPage(browser, server));
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  test('images of all formats give Pillow’s pixels to the byte, and are refused where Pillow refuses them', async () => {
    const files = PILLOWS.filter((file) => !CMYK.includes(file));
    expect(files.length).toBeGreaterThan(150);
    const found = await page.evaluate(decodeAll, files);
    for (const file of files) {
      const { width, height, sha256, error } = pillow[file]!;
      if (error || REFUSED.includes(file)) {
        expect(`${file} ${found[file]}`).toMatch(
          / UserError: .*(cannot be decoded|megapixels|browsers do not read)/,
        );
      } else {
        expect(`${file} ${found[file]}`).toBe(`${file} ${width}×${height} ${sha256}`);
      }
    }
  });

  test('without WebGL transparent images are the same, and without WebCodecs too a WebP is refused, not changed', async () => {
    const { page: without } = await openPage(browser, server);
    try {
      await without.evaluate(() => {
        const { getContext } = OffscreenCanvas.prototype;
        OffscreenCanvas.prototype.getContext = function (
          this: OffscreenCanvas,
          kind: string,
          ...more: unknown[]
        ) {
          return kind.startsWith('webgl') ? null : Reflect.apply(getContext, this, [kind, ...more]);
        } as typeof getContext;
      });
      const files = [
        'rgba.png',
        'la.png',
        'palette-trns.png',
        'rgba16.png',
        'turned.png',
        'lossy.webp',
        'lossless-alpha.webp',
        'lossy-alpha.webp',
        'animated-alpha.webp',
      ];
      const found = await without.evaluate(decodeAll, files);
      for (const file of files) expect(`${file} ${found[file]}`).toMatch(pillow[file]!.sha256);
      await without.evaluate(() => Reflect.deleteProperty(globalThis, 'ImageDecoder'));
      const { 'lossy-alpha.webp': refused } = await without.evaluate(decodeAll, ['lossy-alpha.webp']);
      expect(refused).toMatch(
        /^UserError: lossy-alpha.webp: the image has transparent pixels, whose colours/,
      );
    } finally {
      await without.close();
    }
  });

  test('a bitmap of a file has the pixels that are decoded from it', async () => {
    const same = await page.evaluate(async () => {
      const results: boolean[] = [];
      for (const file of ['rgba.png', 'turned.png', 'rgb.bmp', 'rgb.tif', 'rgb.jpg']) {
        const blob = await (await fetch(`/fixtures/images/${file}`)).blob();
        const { deit } = globalThis;
        const bitmap = await deit.decodeImage(await deit.imageBitmap(blob));
        results.push(String(bitmap.data) === String((await deit.decodeImage(blob)).data));
      }
      return results;
    });
    expect(same).toEqual(Array(5).fill(true));
  });

  test('CMYK is off by at most one level', async () => {
    const found = await page.evaluate(async (files) => {
      const decode = async (file: string) =>
        globalThis.deit.decodeImage(await (await fetch(`/fixtures/images/${file}`)).blob());
      return Promise.all(files.map(async (file) => [...(await decode(file)).data]));
    }, CMYK);
    for (const [i, file] of CMYK.entries()) {
      const { data } = await decodeImage(`test/fixtures/images/${file}`);
      expect(found[i]!.length).toBe(data.length);
      expect(Math.max(...found[i]!.map((level, at) => Math.abs(level - data[at]!)))).toBeLessThanOrEqual(1);
    }
  });

  test('a blob, an <img>, canvases, a bitmap and ImageData of one image are the same pixels', async () => {
    const same = await page.evaluate(async () => {
      const { deit } = globalThis;
      // A PNG without a profile: a page that draws a JPEG on a canvas may get the GPU's conversion of its colours.
      const blob = await (await fetch('/fixtures/images/rgb.png')).blob();
      const expected = await deit.decodeImage(blob);
      const image = new Image();
      image.src = URL.createObjectURL(blob);
      await image.decode();
      const { width, height } = expected;
      const canvas = Object.assign(document.createElement('canvas'), { width, height });
      canvas.getContext('2d')!.drawImage(image, 0, 0);
      const offscreen = new OffscreenCanvas(width, height);
      offscreen.getContext('2d')!.drawImage(image, 0, 0);
      const results: Record<string, boolean> = {};
      for (const source of [image, canvas, offscreen, await createImageBitmap(blob)]) {
        const found = await deit.decodeImage(source);
        results[source.constructor.name] =
          found.width === width && found.height === height && String(found.data) === String(expected.data);
      }
      return results;
    });
    expect(same).toEqual({
      HTMLImageElement: true,
      HTMLCanvasElement: true,
      OffscreenCanvas: true,
      ImageBitmap: true,
    });
  });

  test('a frame of a video', async () => {
    const found = await page.evaluate(async () => {
      const { deit } = globalThis;
      const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
      const context = canvas.getContext('2d')!;
      const paint = () => {
        context.fillStyle = 'rgb(200, 40, 90)';
        context.fillRect(0, 0, 64, 48);
      };
      paint();
      const video = document.createElement('video');
      video.muted = true;
      const early = await deit.decodeImage(video).catch((error: Error) => error.message);
      video.srcObject = canvas.captureStream(30);
      const timer = setInterval(paint, 20);
      await video.play();
      const { data, width, height } = await deit.decodeImage(video);
      clearInterval(timer);
      return { early, width, height, pixel: [...data.subarray(0, 3)] };
    });
    expect(found.early).toMatch(/^the <video> has no frame yet/);
    expect([found.width, found.height]).toEqual([64, 48]);
    // The frame went through the YUV of video.
    for (const [i, level] of [200, 40, 90].entries())
      expect(Math.abs(found.pixel[i]! - level)).toBeLessThanOrEqual(4);
  });

  test('what is no image, too large, broken or another site’s gets one clear line', async () => {
    const errors = await page.evaluate(async () => {
      const { deit } = globalThis;
      const told = (source: Blob | HTMLImageElement | HTMLCanvasElement) =>
        deit.decodeImage(source).then(
          () => 'decoded',
          ({ name, message }: Error) => `${name}: ${message}`,
        );
      const header = new DataView(new ArrayBuffer(33));
      for (const [i, byte] of [137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82].entries())
        header.setUint8(i, byte);
      header.setUint32(16, 12_000);
      header.setUint32(20, 9_000);
      const tiff = new Uint8Array(await (await fetch('/fixtures/images/one-bit.tif')).arrayBuffer());
      for (let at = tiff.length - 12; at > 0; at--) {
        // Compression 4 in the place of 1: fax, which is not decoded here.
        if (tiff[at] === 3 && tiff[at + 1] === 1 && tiff[at + 2] === 3 && tiff[at + 4] === 1)
          tiff[at + 8] = 4;
      }
      const missing = Object.assign(new Image(), { src: '/no-such.png' });
      return {
        text: await told(new File(['hello there'], 'notes.txt')),
        empty: await told(new File([], 'empty.png')),
        html: await told(new File(['<!doctype html><p>404'], 'cat.jpg')),
        tiff: await told(new File([tiff], 'scan.tif')),
        large: await told(new File([header.buffer], 'large.png')),
        missing: await told(missing),
        canvas: await told(Object.assign(document.createElement('canvas'), { width: 0 })),
      };
    });
    expect(errors).toEqual({
      text: 'UserError: notes.txt: not an image that this browser reads: expected JPEG, PNG, WebP, GIF, TIFF, BMP, PBM, PGM or PPM, found a file that begins with the bytes 68656c6c',
      empty:
        'UserError: empty.png: not an image that this browser reads: expected JPEG, PNG, WebP, GIF, TIFF, BMP, PBM, PGM or PPM, found an empty file',
      html: 'UserError: cat.jpg: not an image that this browser reads: expected JPEG, PNG, WebP, GIF, TIFF, BMP, PBM, PGM or PPM, found an HTML or XML document',
      tiff: 'UserError: scan.tif: a TIFF with JPEG or fax compression, which browsers do not read; save it as PNG',
      large:
        'UserError: large.png: 12000 × 9000 is 108 megapixels; at most 67 megapixels are read in a browser; scale the image down',
      missing: expect.stringMatching(
        /^UserError: .*no-such.png: the <img> has no image that could be loaded$/,
      ),
      canvas: 'UserError: the image has 0 × 150 pixels; expected at least one',
    });
  });
});
