import { expect, test } from '@jest/globals';
import { cachedFetch } from '../../src/browser/cache.js';
import { UserError } from '../../src/errors.js';

test('what is no address where there is no page, as in Deno, is told in one line', async () => {
  const fetchFile = cachedFetch();
  for (const path of ['/models/tiny.pth', 'tiny.pth', '']) {
    const error = await fetchFile(path).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(UserError);
    expect(String(error)).toContain(`${path}: is no address; give an http(s) URL of it`);
  }
});
