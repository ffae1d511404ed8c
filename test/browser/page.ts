/** A page that has imported the library, watched for errors. */
import type { Browser, Page } from 'playwright-core';
import type * as Deit from '../../src/browser/index.js';
import type { TestServer } from './server.js';

declare global {
  /** The library, in the page. */
  var deit: typeof Deit;
}

export interface WatchedPage {
  readonly page: Page;
  /** What the console and uncaught errors said, each a line. */
  readonly errors: string[];
}

/** Opens the server's empty page and waits for the library. */
export async function openPage(browser: Pick<Browser, 'newPage'>, server: TestServer): Promise<WatchedPage> {
  const page = await browser.newPage();
  const errors = watchErrors(page);
  await page.goto(server.url);
  await page.waitForFunction(() => 'deit' in globalThis || 'failed' in globalThis);
  const failed = await page.evaluate(() => (globalThis as { failed?: string }).failed);
  if (failed) throw new Error(`the library does not load in the page: ${failed}`);
  return { page, errors };
}

/** As openPage, in a page that believes to have so many cores. */
export async function openPageWithCores(
  browser: Browser,
  server: TestServer,
  cores: number,
): Promise<WatchedPage> {
  const context = await browser.newContext();
  await context.addInitScript((value) => {
    Object.defineProperty(navigator, 'hardwareConcurrency', { value });
  }, cores);
  return openPage(context, server);
}

/** Collects what a page writes to the console as an error, and what it throws. */
export function watchErrors(page: Page): string[] {
  const errors: string[] = [];
  page.on('console', (message) => {
    // WebGPU reports what a shader or a binding has wrong as a warning.
    const isBad = message.type() === 'error' || /^(Error while parsing WGSL|\[Invalid )/.test(message.text());
    if (isBad) errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  return errors;
}
