/** The page's main flow in Firefox. */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { describeInFirefox, Firefox } from './firefox.js';
import { CHECKPOINT, sends } from './servedModel.js';
import { startServer, type TestServer } from './server.js';
import { builtPage } from './visit.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let server: TestServer;
let firefox: Firefox;

/** Waits until the page has answered for the image of that name. */
function answered(name: string): Promise<void> {
  return firefox.waitFor(
    (wanted) =>
      document.querySelector('#image-name')!.textContent === wanted &&
      document.querySelector('#predictions-state')!.textContent === '' &&
      document.querySelectorAll('#predictions li').length > 0 &&
      !document.querySelector<HTMLElement>('#heat')!.hidden,
    name,
  );
}

const text = (selector: string) =>
  firefox.evaluate((given) => document.querySelector<HTMLElement>(given)!.innerText, selector);
const click = (selector: string) =>
  firefox.evaluate((given) => document.querySelector<HTMLElement>(given)!.click(), selector);
const first = () =>
  firefox.evaluate(() =>
    [...document.querySelector('#predictions .guess-line')!.children].map((child) => child.textContent),
  );

/** Drops files on the page, or gives them to a field. */
async function give(files: readonly (readonly [name: string, url: string])[], field = ''): Promise<void> {
  await firefox.evaluate(
    async (given, input) => {
      const transfer = new DataTransfer();
      for (const [name, url] of given) transfer.items.add(new File([await (await fetch(url)).blob()], name));
      if (input === '') {
        const options = { bubbles: true, cancelable: true, dataTransfer: transfer };
        document.body.dispatchEvent(new DragEvent('drop', options));
      } else {
        const element = document.querySelector<HTMLInputElement>(input)!;
        element.files = transfer.files;
        element.dispatchEvent(new Event('change', { bubbles: true }));
      }
    },
    files,
    field,
  );
}

describeInFirefox('the page in Firefox', () => {
  // One page for all of these, in this order.
  beforeAll(async () => {
    server = await startServer({
      folders: { '/page': await builtPage() },
      routes: { '/digits.pth': sends(await readFile(CHECKPOINT)), '/words.txt': sends(Buffer.from('hello')) },
      isolated: true,
    });
    firefox = await Firefox.launch({ width: 1366, height: 768 });
    await firefox.goto(`${server.url}/page/index.html`);
    await answered('digit 3, number 18');
  });
  afterAll(async () => {
    await firefox?.close();
    await server?.close();
  });

  test('the built-in example has PyTorch’s answer, on more than one thread', async () => {
    expect(await first()).toEqual(['3', '97.9 %']);
    expect(await text('#backend-now')).toMatch(/^wasm: .*SIMD/);
    expect(await text('#backend-why')).toContain('cross-origin isolated');
    expect(await firefox.evaluate(() => document.documentElement.scrollTop)).toBe(0);
  });

  test('a checkpoint and an image are dropped, and what cannot be read is said', async () => {
    await give([['mine.pth', '/digits.pth']]);
    await firefox.waitFor(() => document.querySelector('#model-name')!.textContent === 'mine.pth');
    await give([
      ['seven.png', '/examples/digits/val/7/00000.png'],
      ['words.png', '/words.txt'],
    ]);
    await firefox.waitFor(() => /words\.png/.test(document.querySelector('#messages')!.textContent!));
    await answered('seven.png');
    expect((await first())[0]).toBe('7');
    await click('#messages .message button.plain');
  });

  test('attention of another head, rollout, relevance and features are other images', async () => {
    const heat = () =>
      firefox.evaluate(() => {
        const canvas = document.querySelector<HTMLCanvasElement>('#heat')!;
        return canvas.hidden ? '' : canvas.toDataURL();
      });
    const seen = [await heat()];
    const selectors = [
      '[aria-label="layer 2, head 3"]',
      ...['rollout', 'relevance', 'colors'].map((v) => `[value="${v}"]`),
    ];
    for (const selector of selectors) {
      await click(selector);
      await firefox.waitFor((before) => {
        const canvas = document.querySelector<HTMLCanvasElement>('#heat')!;
        return !canvas.hidden && canvas.toDataURL() !== before;
      }, seen.at(-1)!);
      seen.push(await heat());
    }
    expect(new Set(seen).size).toBe(seen.length);
    await click('[value="attention"]');
  });

  test('the camera’s frames are looked at, and one is kept', async () => {
    await click('#camera');
    await answered('Camera');
    await click('#shoot');
    await answered('camera 1.png');
  });

  test('classes of one’s own are learnt', async () => {
    const files = (digit: number, names: string[]) =>
      names.map((name) => [`${digit}-${name}`, `/examples/digits/val/${digit}/${name}.png`] as const);
    await click('#classes li:nth-child(1) button:nth-child(2)');
    await give(files(7, ['00000', '00017', '00026']), '#example-input');
    await click('#classes li:nth-child(2) button:nth-child(2)');
    await give(files(3, ['00018', '00030', '00032']), '#example-input');
    await click('#train-classes');
    await firefox.waitFor(() => document.querySelector('#model-name')!.textContent === 'Class 1, Class 2');
    await click('#strip [aria-label="digit 3, number 18"]');
    await answered('digit 3, number 18');
    expect((await first())[0]).toBe('Class 2');
  });

  test('axe finds nothing, and the page is as wide as the window', async () => {
    const axe = await readFile(AXE, 'utf8');
    const found = await firefox.evaluate(async (source) => {
      // Marionette's scripts are not under the page's policy, which forbids this.
      const run = new Function(`${source}; return axe.run();`) as () => Promise<{
        violations: { id: string }[];
      }>;
      return (await run()).violations.map(({ id }) => id);
    }, axe);
    expect(found).toEqual([]);
    expect(await firefox.evaluate(() => document.documentElement.scrollWidth <= innerWidth)).toBe(true);
    expect(await text('#messages')).toBe('');
  });
});
