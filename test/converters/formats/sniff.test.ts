import { expect, test } from '@jest/globals';
import { bytesSource, parseCheckpoint } from '../../../converters/formats/index.js';
import { joinBytes, raw } from './builders.js';
import { parseOutcome } from './outcome.js';

/** A tar archive of members of 5 bytes. */
function tar(...names: string[]): Uint8Array {
  const members = names.map((name) => {
    const header = `${name.padEnd(124, '\0')}00000000005\0`.padEnd(257, '\0');
    return raw(`${`${header}ustar\0`.padEnd(512, '\0')}${'hello'.padEnd(512, '\0')}`);
  });
  return joinBytes(...members, new Uint8Array(1024));
}

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
  ['a .tar.gz', raw('\x1f\x8b\x08'), /gzip file; unpack it .*tar xzf/],
  ['xz', raw('\xfd7zXZ\0'), /an xz file; unpack it/],
  ['7z', raw('7z\xbc\xaf\x27\x1c'), /a 7z archive; unpack it/],
  ['zstd', raw('\x28\xb5\x2f\xfd'), /a zstd file; unpack it/],
  ['RAR', raw('Rar!\x1a\x07\x01'), /a RAR archive/],
  [
    'a tar around a checkpoint',
    tar('README.md', 'run/model_best.pth'),
    /a tar archive around "run\/model_best\.pth"; unpack it/,
  ],
  [
    'a checkpoint of PyTorch 0.1',
    tar('sys_info', 'pickle', 'tensors', 'storages'),
    /PyTorch 0\.1, which kept them as tar archives/,
  ],
  ['ONNX', raw('\x08\x0a\x12\x07pytorch\x1a\x052.1.0'), /an ONNX model/],
  ['a SavedModel', raw('\x08\x01\x12\xd2\x0b'), /a TensorFlow SavedModel/],
  [
    'a TensorFlow index',
    joinBytes(new Uint8Array(60).fill(1), raw('\x57\xfb\x80\x8b\x24\x75\x47\xdb')),
    /the index of a TensorFlow checkpoint/,
  ],
  ['Flax', raw('\x81\xa6params\x82\xa3cls\xc7'), /a msgpack file \(Flax\)/],
  ['GGUF', raw('GGUF\x03\0\0\0'), /a GGUF file/],
  ['TensorFlow Lite', raw('\x1c\0\0\0TFL3'), /TensorFlow Lite/],
  ['a page with a byte order mark', raw('\xef\xbb\xbf<!DOCTYPE html>'), /an HTML page/],
  ['a page with a comment', raw('<!-- saved from -->\n<html>'), /an HTML page/],
  ["a server's error", raw('<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'), /an XML text/],
  ["an API's error", raw('{"error":"Repository not found"}'), /an error message as JSON/],
  [
    'an index of shards',
    raw('{"metadata": {"total_size": 1}, "weight_map": {}}'),
    /an index of shards; give the folder/,
  ],
  ["a converted folder's model.json", raw('{"modelTopology": {}}'), /converted folder; give the folder/],
  ['a file of holes', new Uint8Array(5000), /zeros where its beginning should be/],
  ['an image', raw('\x89PNG\r\n'), /PNG image/],
  ['JSON', raw('{"a": 1}'), /JSON text/],
  ['text', raw('404: Not Found'), /text that begins with "404: Not Found"/],
  ['anything else', Uint8Array.of(1, 2, 3, 255), /first bytes are 01 02 03 ff/],
])('%s is named', async (_name, bytes, message) => {
  const outcome = await parseOutcome(bytes);
  expect(outcome).toMatch(
    /^case\.pth: expected a PyTorch checkpoint \(\.pth\), a safetensors file or a \.npz, found /,
  );
  expect(outcome).toMatch(message);
});

test("a TensorFlow checkpoint's values are named by their file name", async () => {
  const source = bytesSource(Uint8Array.of(1, 2, 3, 255), 'vit.ckpt.data-00000-of-00001');
  await expect(parseCheckpoint(source)).rejects.toThrow(
    /found the values of a TensorFlow checkpoint, which is not read/,
  );
});
