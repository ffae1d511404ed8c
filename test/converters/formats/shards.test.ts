import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type ByteSource, bytesSource, openShards } from '../../../converters/formats/index.js';
import { UserError } from '../../../src/errors.js';
import { mutated } from '../../fuzz/mutate.js';
import { floats, safetensorsFile, stateDictPickle, zipCheckpoint } from './builders.js';

function shard(...names: string[]): Uint8Array {
  const entries = names.map((name, i) => [
    name,
    { dtype: 'F32', shape: [2], data_offsets: [8 * i, 8 * (i + 1)] },
  ]);
  return safetensorsFile(
    Object.fromEntries([...entries, ['__metadata__', { format: 'pt' }]]),
    floats(2 * names.length),
  );
}

const FILES: Record<string, Uint8Array> = {
  'model-00001-of-00002.safetensors': shard('a', 'b'),
  'model-00002-of-00002.safetensors': shard('c'),
};
const MAP = {
  a: 'model-00001-of-00002.safetensors',
  b: 'model-00001-of-00002.safetensors',
  c: 'model-00002-of-00002.safetensors',
};

const NAME = 'm/model.safetensors.index.json';

async function open(index: unknown, files = FILES) {
  const asked: string[] = [];
  const openShard = async (path: string): Promise<ByteSource> => {
    asked.push(path);
    if (!Object.hasOwn(files, path)) throw new UserError(`m/${path}: no such file.`);
    return bytesSource(files[path]!, `m/${path}`);
  };
  const text = typeof index === 'string' ? index : JSON.stringify(index);
  return { checkpoint: await openShards(text, NAME, openShard), asked };
}

test('the tensors of all shards are one checkpoint, each shard opened once', async () => {
  const { checkpoint, asked } = await open({ metadata: { total_size: 24 }, weight_map: MAP });
  expect([...checkpoint.tensors.keys()]).toEqual(['a', 'b', 'c']);
  expect([...(await checkpoint.tensors.get('b')!.read())]).toEqual([2, 3]);
  expect(asked).toEqual(['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']);
  expect({ ...checkpoint.metadata }).toEqual({ total_size: 24, format: 'pt' });
  expect(checkpoint).toMatchObject({ name: NAME, format: 'safetensors' });
});

test("PyTorch's shards are read likewise", async () => {
  const files = { 'pytorch_model-00001-of-00001.bin': zipCheckpoint(stateDictPickle()) };
  const { checkpoint } = await open({ weight_map: { w: 'pytorch_model-00001-of-00001.bin' } }, files);
  expect([...(await checkpoint.tensors.get('w')!.read())]).toEqual([0, 1, 2, 3, 4, 5]);
  expect(checkpoint.format).toBe('zip');
});

const withPath = (path: unknown) => ({ weight_map: { ...MAP, c: path } });

test.each<[string, unknown, RegExp]>([
  ['no JSON', '{"weight_map": {', /is not JSON; it is cut short or damaged/],
  ['no weight_map', {}, /expected an index of shards, a JSON object with weight_map/],
  ['a list', [], /expected an index of shards/],
  ['an empty weight_map', { weight_map: {} }, /names no tensors/],
  [
    'a missing shard',
    withPath('x.safetensors'),
    /its shard "x\.safetensors" cannot be opened: m\/x\.safetensors: no such file/,
  ],
  [
    'a missing tensor',
    { weight_map: { ...MAP, d: MAP.c } },
    /tensor "d" should be in "model-00002-of-00002\.safetensors" and is not/,
  ],
  ['a tensor in another shard', { weight_map: { ...MAP, a: MAP.c } }, /tensor "a" should be in "model-00002/],
  [
    'a tensor named twice',
    `{"weight_map": {"a": "x", "a": ${JSON.stringify(MAP.a)}}}`,
    /names a tensor twice/,
  ],
  [
    'a path that climbs',
    withPath('../x.safetensors'),
    /tensor "c": expected the name of a file beside the index, found "\.\.\/x/,
  ],
  ['a path that climbs inside', withPath('a/../../x'), /expected the name of a file beside/],
  ['an absolute path', withPath('/etc/passwd'), /expected the name of a file beside/],
  ['a path of Windows', withPath('C:\\x'), /expected the name of a file beside/],
  ['a path that climbs in Windows', withPath('..\\x'), /expected the name of a file beside/],
  ['an address', withPath('https://example.org/x'), /expected the name of a file beside/],
  ['a control character', withPath('a\u0000b'), /expected the name of a file beside/],
  ['no text', withPath(3), /found no path/],
])('%s is refused', async (_name, index, message) => {
  await expect(open(index)).rejects.toThrow(message);
  await expect(open(index)).rejects.toBeInstanceOf(UserError);
});

test('a tensor that two shards hold is refused', async () => {
  const files = { ...FILES, 'model-00002-of-00002.safetensors': shard('c', 'a') };
  await expect(open({ weight_map: MAP }, files)).rejects.toThrow(
    /tensor "a" is in "model-00001-of-00002\.safetensors" and in "model-00002-of-00002\.safetensors"/,
  );
});

test('a mutated index ends in a checkpoint or one clear error, and asks for no file outside of its folder', async () => {
  const text = new TextEncoder().encode(JSON.stringify({ metadata: { total_size: 24 }, weight_map: MAP }));
  const hostile = new TextEncoder().encode('../..//\\etc\\:..\u0000"}{[],');
  const indexes = fc.sample(mutated(fc.constant(text), [text, hostile]), { seed: 7, numRuns: 2000 });
  const outcomes = { checkpoint: 0, error: 0 };
  for (const bytes of indexes) {
    const asked: string[] = [];
    const openShard = async (path: string) => {
      asked.push(path);
      if (!Object.hasOwn(FILES, path)) throw new UserError(`m/${path}: no such file.`);
      return bytesSource(FILES[path]!, path);
    };
    try {
      await openShards(new TextDecoder().decode(bytes), NAME, openShard);
      outcomes.checkpoint += 1;
    } catch (error) {
      expect(error).toBeInstanceOf(UserError);
      expect((error as Error).message).not.toMatch(/\p{Cc}/u);
      outcomes.error += 1;
    }
    for (const path of asked) expect(path).not.toMatch(/(^|\/)\.\.(\/|$)|^\/|\\|:|\p{Cc}/u);
  }
  expect(outcomes.checkpoint).toBeGreaterThan(20);
  expect(outcomes.error).toBeGreaterThan(500);
});
