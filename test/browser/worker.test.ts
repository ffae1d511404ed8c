/** A model in a web worker: the same results as in the page, which stays live; abort, and a worker that dies. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Browser, Page } from 'playwright-core';
import type { ClassifyInput } from '../../src/models/classify.js';
import { describeInBrowser, launchChromium } from './chromium.js';
import { openPage, type WatchedPage } from './page.js';
import { startServer, type TestServer } from './server.js';

describeInBrowser('a model in a worker', () => {
  let browser: Browser;
  let server: TestServer;
  let watched: WatchedPage;
  let page: Page;

  beforeAll(async () => {
    server = await startServer({
      routes: {
        '/dying.js': (_, response) =>
          response
            .setHeader('Content-Type', 'text/javascript')
            .end('addEventListener("message", () => { throw new Error("out of memory"); });'),
      },
    });
    browser = await launchChromium();
    watched = await openPage(browser, server);
    page = watched.page;
  });

  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });

  test('gives what a model in the page gives, for every kind of image', async () => {
    const result = await page.evaluate(async () => {
      const { deit } = globalThis;
      const { tf } = deit;
      const url = '/examples/digits/deit_digits_distilled.pth';
      const fractions: number[] = [];
      const options = { backend: 'wasm', cache: false };
      const here = await deit.load(url, options);
      const there = await deit.loadInWorker(url, { ...options, onProgress: (f) => fractions.push(f) });
      const blob = await (await fetch('/examples/digits/val/3/00018.png')).blob();
      const image = new Image();
      image.src = URL.createObjectURL(blob);
      await image.decode();
      const canvas = document.createElement('canvas');
      canvas.width = image.naturalWidth;
      canvas.height = image.naturalHeight;
      const context = canvas.getContext('2d')!;
      context.drawImage(image, 0, 0);
      const pixels = context.getImageData(0, 0, canvas.width, canvas.height);
      const tensor = tf.browser.fromPixels(pixels);
      const bitmap = await createImageBitmap(blob);
      const address = '/examples/digits/val/3/00018.png';
      const bytes = new Uint8Array(await blob.arrayBuffer());
      const frame = new VideoFrame(canvas, { timestamp: 0 });
      const reader = new FileReader();
      reader.readAsDataURL(blob);
      await new Promise((done) => reader.addEventListener('load', done));
      const inputs: ClassifyInput[] = [blob, image, canvas, pixels, tensor, bitmap];
      inputs.push(frame, address);
      inputs.push(new URL(address, location.href), bytes, bytes.buffer, String(reader.result), image.src);
      const pairs = [];
      for (const input of inputs) pairs.push([await here.classify(input), await there.classify(input)]);
      pairs.push([await here.classify(await fetch(address)), await there.classify(await fetch(address))]);
      frame.close();
      const listed = await there.classify([blob, bitmap]);
      const embedded = [await here.embed(blob), await there.embed(blob)];
      const [height, width] = here.preprocessing.crop;
      const x = tf.fill([2, height, width, 3], 0.25) as ReturnType<typeof tf.tensor4d>;
      const features = here.features(x, { attention: true });
      const [y, z] = [here.predict(x), await there.predict(x)];
      const away = await there.features(x, { attention: true, blocks: true });
      const stack = await there.attention(blob);
      const { logits, head, headDist } = await there.logits(blob);
      return {
        pairs,
        listed,
        embedded: embedded.map(({ classToken, patchMean }) => [[...classToken!], [...patchMean]]),
        fractions,
        backend: there.backend.backend,
        predicted: [[...(await y.data())], [...z.data]],
        shapes: [y.shape, z.shape, features.tokens.shape, away.tokens.shape, away.attention[0]!.shape],
        tokens: [[...(await features.tokens.data())], [...away.tokens.data]],
        counts: [away.attention.length, away.blocks.length, here.config.depth],
        map: deit.attentionMap(stack).data.length,
        mean: [...logits].map((logit, i) => Math.abs(logit - (head![i]! + headDist![i]!) / 2)),
      };
    });
    expect(result.backend).toBe('wasm');
    expect(result.fractions.at(-1)).toBe(1);
    expect(result.listed).toEqual([result.pairs[0]![0], result.pairs[5]![0]]);
    expect(result.embedded[1]).toEqual(result.embedded[0]);
    for (const [here, there] of result.pairs) {
      expect(here![0]!.index).toBe(3);
      expect(there).toEqual(here);
    }
    expect(result.predicted[1]).toEqual(result.predicted[0]);
    expect(result.tokens[1]).toEqual(result.tokens[0]);
    const [y, z, tokens, tokensThere, attention] = result.shapes;
    expect(z).toEqual(y);
    expect(tokensThere).toEqual(tokens);
    expect(attention!.slice(2)).toEqual([tokens![1], tokens![1]]);
    expect(result.counts).toEqual([result.counts[2], result.counts[2], result.counts[2]]);
    expect(result.map).toBe(tokens![1]! - 2);
    expect(Math.max(...result.mean)).toBeLessThan(1e-5);
    expect(watched.errors).toEqual([]);
  });

  test('an image of a list that cannot be read is told by its place, one that was left out too', async () => {
    const told = await page.evaluate(async () => {
      const model = await globalThis.deit.loadInWorker('/examples/digits/deit_digits_distilled.pth', {
        backend: 'wasm',
      });
      const good = '/examples/digits/val/3/00018.png';
      const [bad, missing] = [[good, new Blob(['abc'])], [good]];
      missing[2] = good;
      const lists = [bad, missing] as ClassifyInput[][];
      return Promise.all(lists.map((list) => model.classify(list).catch((error) => String(error))));
    });
    expect(told).toEqual([
      expect.stringMatching(/^UserError: image 1 of the list: .*not an image/),
      expect.stringMatching(/^UserError: image 1 of the list: an image is expected, got undefined/),
    ]);
  });

  test('the page stays live while the worker computes', async () => {
    const turns = await page.evaluate(async () => {
      const { deit } = globalThis;
      const model = await deit.loadInWorker('/examples/digits/deit_digits_distilled.pth', {
        backend: 'wasm',
      });
      const [height, width] = model.preprocessing.crop;
      const x = { data: new Float32Array(1200 * height * width * 3), shape: [1200, height, width, 3] };
      let turns = 0;
      const timer = setInterval(() => turns++, 5);
      await model.predict(x);
      clearInterval(timer);
      model.dispose();
      return turns;
    });
    // A page that computed by itself would have had none.
    expect(turns).toBeGreaterThan(5);
  });

  test('errors, aborts, disposal and a dying worker all reject what waits', async () => {
    const result = await page.evaluate(async () => {
      const { deit } = globalThis;
      const told = (promise: Promise<unknown>) =>
        promise.then(
          () => 'done',
          ({ name, message }: Error) => `${name}: ${message}`,
        );
      const url = '/examples/digits/deit_digits_distilled.pth';
      const model = await deit.loadInWorker(url, { backend: 'wasm' });
      const abort = new AbortController();
      const aborted = told(model.classify(new Blob(['x']), { signal: abort.signal }));
      abort.abort();
      const pixels = { data: new Uint8Array(3 * 32 * 32), width: 32, height: 32 };
      const results = {
        notAImage: await told(model.classify(new File(['hello'], 'a.txt'))),
        wrongShape: await told(model.predict({ data: new Float32Array(12), shape: [1, 2, 2, 3] })),
        aborted: await aborted,
        stillWorks: await told(model.classify(pixels)),
        notFound: await told(deit.loadInWorker('/nothing.pth', { cache: false })),
        noScript: await told(
          deit.loadInWorker(url, { worker: new Worker('/no-such.js', { type: 'module' }) }),
        ),
        dying: await told(deit.loadInWorker(url, { worker: new Worker('/dying.js') })),
      };
      const waiting = told(model.classify(pixels));
      model.dispose();
      return { ...results, waiting: await waiting, later: await told(model.classify(pixels)) };
    });
    expect(result).toEqual({
      notAImage: expect.stringMatching(/^UserError: a.txt: not an image that this browser reads/),
      wrongShape: expect.stringMatching(/^UserError: .*predict takes a float32 tensor/),
      aborted: expect.stringMatching(/^AbortError/),
      stillWorks: 'done',
      notFound: expect.stringMatching(/^UserError: .*nothing.pth: the server answered 404/),
      noScript: 'UserError: the worker failed (its script cannot be loaded); load the model again',
      dying: 'UserError: the worker failed (Uncaught Error: out of memory); load the model again',
      waiting: 'UserError: the model in the worker was disposed of; load it again',
      later: 'UserError: the model in the worker was disposed of; load it again',
    });
  });
});
