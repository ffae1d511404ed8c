/** Streams of TIFFs that no encoder makes: read where Pillow reads them, to the same bytes, and refused where it refuses. */
import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';
import { expect, test } from '@jest/globals';
import { UserError } from '../../../src/errors.js';
import { decodeImage } from '../../../src/node/decode.js';
import { fixture, sha256 } from '../images.js';

/** Files as Base64 of zlib, and what Pillow's RGB bytes are, null where it refuses: test/fixtures/make_tiff_streams.py. */
const streams: Record<string, { readonly file: string; readonly rgb: string | null }> = JSON.parse(
  readFileSync(fixture('tiff_streams.json'), 'utf8'),
);

test.each(Object.entries(streams))('%s', async (_, { file, rgb }) => {
  const decoded = decodeImage(inflateSync(Buffer.from(file, 'base64')));
  if (rgb === null) await expect(decoded).rejects.toThrow(UserError);
  else expect(sha256((await decoded).data)).toBe(rgb);
});
