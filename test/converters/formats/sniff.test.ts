import { expect, test } from '@jest/globals';
import { joinBytes, raw } from './builders.js';
import { parseOutcome } from './outcome.js';

test.each<[string, Uint8Array, RegExp]>([
  ['an empty file', raw(''), /found an empty file/],
  ['a plain pickle', raw('\x80\x04}.'), /found a plain Python pickle/],
  ['a pickle of protocol 0', raw('(dp0\n.'), /found a plain Python pickle/],
  ['HDF5', raw('\x89HDF\r\n\x1a\n\0\0\0'), /found an HDF5 file/],
  ['a page', raw('\n<!DOCTYPE html><html>'), /found an HTML page/],
  ['a git-lfs pointer', raw('version https://git-lfs.github.com/spec/v1\noid sha256:0'), /git lfs pull/],
  [
    'a tar archive',
    joinBytes(new Uint8Array(257), raw('ustar\0'), new Uint8Array(400)),
    /found a tar archive/,
  ],
  ['gzip', raw('\x1f\x8b\x08'), /gzip/],
  ['a picture', raw('\x89PNG\r\n'), /PNG picture/],
  ['JSON', raw('{"format": "layers-model"}'), /JSON text/],
  ['text', raw('404: Not Found'), /text that begins with "404: Not Found"/],
  ['anything else', Uint8Array.of(1, 2, 3, 255), /first bytes are 01 02 03 ff/],
])('%s is named', async (_name, bytes, message) => {
  const outcome = await parseOutcome(bytes);
  expect(outcome).toMatch(
    /^case\.pth: expected a PyTorch checkpoint \(\.pth\) or a safetensors file, found /,
  );
  expect(outcome).toMatch(message);
});
