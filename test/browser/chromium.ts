import { describe } from '@jest/globals';
import { findChromium, HOW_TO_GET_ONE } from './launch.js';

export { findChromium, launchChromium } from './launch.js';

/** As jest's describe, where a browser is found; where not, the tests are skipped and their title says why. */
export function describeInBrowser(title: string, tests: () => void): void {
  if (findChromium()) {
    describe(title, tests);
    return;
  }
  const why = `SKIPPED, no Chromium was found; ${HOW_TO_GET_ONE}`;
  process.stderr.write(`browser tests, ${title}: ${why}\n`);
  describe.skip(`${title}: ${why}`, tests);
}
