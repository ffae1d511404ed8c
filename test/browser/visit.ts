/** What a visitor of the page in web/ does and sees. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from '@jest/globals';
import type { AxeResults, RunOptions } from 'axe-core';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { until } from '../reliability/until.js';
import { watchErrors } from './page.js';

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

const reference = JSON.parse(await readFile('examples/digits/reference.json', 'utf8')).perImage as {
  file: string;
  top5: number[];
  logits: number[];
}[];

/**
 * The folder of the page, built as `npm run web:build` does it, beside the one that may be there. The first test file of a
 * run that asks builds it, the others wait: nothing may be written there.
 */
export async function builtPage(): Promise<string> {
  const folder = process.env.DEIT_TESTED_PAGE!;
  const [page, failure] = [join(folder, 'page'), join(folder, 'failure')];
  try {
    await mkdir(join(folder, 'claimed'));
  } catch {
    const failed = () => `the page was not built: ${existsSync(failure) ? readFileSync(failure) : 'no end'}`;
    await until(() => existsSync(page) || existsSync(failure), failed);
    if (existsSync(failure)) throw new Error(failed());
    return page;
  }
  const unfinished = join(folder, 'unfinished');
  const options = ['--config', 'web/vite.config.mjs', '--outDir', unfinished];
  try {
    await promisify(execFile)(process.execPath, ['node_modules/vite/bin/vite.js', 'build', ...options]);
  } catch (error) {
    await writeFile(failure, String(error));
    throw error;
  }
  await rename(unfinished, page);
  return page;
}

/** A page whose waits are long enough for a machine that is busy with other tests. */
export async function newPage(browser: Browser, options: BrowserContextOptions = {}): Promise<Page> {
  const made = await browser.newPage(options);
  made.setDefaultTimeout(60_000);
  return made;
}

/** The page of web/ as a test has it open. */
export interface OpenVisit {
  readonly page: Page;
  readonly visit: Visit;
  /** What the console and uncaught errors said, each a line. */
  readonly errors: string[];
  /** Addresses that the page and its workers asked for. */
  readonly asked: string[];
}

/**
 * Opens the page of web/.
 *
 * @param url where the test's server has it
 * @param before what is done to the browser's page before it goes there
 */
export async function openVisit(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  before?: (page: Page) => Promise<unknown>,
): Promise<OpenVisit> {
  const page = await newPage(browser, options);
  const errors = watchErrors(page);
  const asked: string[] = [];
  page.on('request', (request) => asked.push(request.url()));
  await before?.(page);
  await page.goto(url);
  return { page, visit: new Visit(page), errors, asked };
}

/** A file that is dropped: its path below what is dropped, and where the test's server has it. */
export interface Dropped {
  readonly name: string;
  readonly url: string;
}

export class Visit {
  constructor(readonly page: Page) {}

  text(selector: string): Promise<string> {
    return this.page.locator(selector).innerText();
  }

  said(): Promise<string> {
    return this.text('#messages');
  }

  /** Waits for a message that matches. */
  async told(pattern: RegExp): Promise<void> {
    await this.page.waitForFunction(
      ([source, flags]) =>
        new RegExp(source!, flags).test(document.querySelector<HTMLElement>('#messages')!.innerText),
      [pattern.source, pattern.flags],
    );
  }

  async dismissAll(): Promise<void> {
    const dismiss = this.page.locator('#messages button', { hasText: 'Dismiss' });
    while ((await dismiss.count()) > 0) await dismiss.first().click();
  }

  /** Waits until the page has answered for the image of that name, with what lies over it. */
  async answered(name: string): Promise<void> {
    await this.page.waitForFunction(
      (wanted) =>
        document.querySelector('#image-name')!.textContent === wanted &&
        document.querySelector('#predictions-state')!.textContent === '' &&
        document.querySelectorAll('#predictions li').length > 0 &&
        !document.querySelector<HTMLElement>('#heat')!.hidden,
      name,
    );
  }

  /** The classes with their percentages, as the page shows them. */
  predictions(): Promise<string[][]> {
    return this.page
      .locator('#predictions .guess-line')
      .evaluateAll((lines) => lines.map((line) => [...line.children].map((child) => child.textContent!)));
  }

  /** Checks the answer against PyTorch's for a digit. */
  async expectPytorchs(file: string): Promise<void> {
    const { top5, logits } = reference.find((each) => each.file === file)!;
    // Five logits are known of ten; none of the other five is above the last of them.
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    const most = sum + 5 * Math.exp(logits.at(-1)!);
    const found = await this.predictions();
    expect(found.map(([label]) => label)).toEqual(top5.map(String));
    for (const [i, logit] of logits.entries()) {
      const [low, high] = [most, sum].map((total) => (100 * Math.exp(logit)) / total);
      const shown = found[i]![1]!;
      if (shown === '<0.1 %') expect(low).toBeLessThan(0.1);
      else {
        // Shown to a tenth.
        expect(Number.parseFloat(shown)).toBeGreaterThan(low! - 0.06);
        expect(Number.parseFloat(shown)).toBeLessThan(high! + 0.06);
      }
    }
  }

  /** Drops files on the page, as a hand would. */
  async drop(files: readonly Dropped[]): Promise<void> {
    await this.page.evaluate(async (given) => {
      const transfer = new DataTransfer();
      for (const { name, url } of given) {
        transfer.items.add(new File([await (await fetch(url)).blob()], name));
      }
      const fire = (type: string) =>
        document.body.dispatchEvent(
          new DragEvent(type, { bubbles: true, cancelable: true, dataTransfer: transfer }),
        );
      fire('dragenter');
      fire('dragover');
      fire('drop');
    }, files);
  }

  /** Pastes text where no field has the focus. */
  async paste(text: string): Promise<void> {
    await this.page.evaluate((given) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData('text', given);
      document.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
    }, text);
  }

  /** What is drawn over the image, as a number that changes with it; 0 where it is hidden. */
  heat(): Promise<number> {
    return this.page.locator('#heat').evaluate((canvas: HTMLCanvasElement) => {
      if (canvas.hidden) return 0;
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return data.reduce((sum, value, i) => (sum * 31 + value * ((i % 7) + 1)) % 1_000_003, 7);
    });
  }

  /** Waits until what lies over the image is another. */
  async newHeat(before: number): Promise<number> {
    for (let i = 0; i < 600; i++) {
      const now = await this.heat();
      if (now !== before && now !== 0) return now;
      await this.page.waitForTimeout(20);
    }
    throw new Error('what lies over the image has not changed');
  }

  async choose(name: string, value: string): Promise<void> {
    await this.page.locator(`input[name="${name}"][value="${value}"]`).check({ force: true });
  }

  async press(label: string): Promise<void> {
    await this.page.locator(`#strip button[aria-label="${label}"]`).click();
  }

  async openPanel(): Promise<void> {
    if (await this.page.locator('#model-panel').isHidden()) await this.page.locator('#change-model').click();
  }

  async openUrl(url: string): Promise<void> {
    const load = async (timeout: number) => {
      await this.openPanel();
      await this.page.locator('#url').fill(url, { timeout });
      await this.page.locator('#url-form button').click({ timeout });
    };
    // A model that has just been loaded closes the panel, as it may while this is typed.
    await load(10_000).catch(() => load(50_000));
  }

  modelIs(name: string): Promise<unknown> {
    return this.page.waitForFunction(
      (wanted) => document.querySelector('#model-name')!.textContent === wanted,
      name,
    );
  }

  /** What axe finds, each with its elements. */
  async axe(): Promise<unknown[]> {
    await this.page.evaluate(await readFile(AXE, 'utf8'));
    const { violations } = await this.page.evaluate(() =>
      (globalThis as unknown as { axe: { run(options: RunOptions): Promise<AxeResults> } }).axe.run({
        resultTypes: ['violations'], // of what passes nothing is worked out further
      }),
    );
    return violations.map(({ id, nodes }) => [
      id,
      nodes.map(({ html, failureSummary }) => [html, failureSummary]),
    ]);
  }
}
