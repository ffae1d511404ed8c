import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { convert } from '../../../converters/convert.js';
import { bytesSource, parseCheckpoint } from '../../../converters/formats/index.js';
import { stateDictChunks } from '../../../converters/write/stateDict.js';

const FOLDER = 'test/fixtures/models';
const open = (name: string) => parseCheckpoint(bytesSource(readFileSync(`${FOLDER}/${name}`), name));

async function exported(name: string, options = {}) {
  const chunks = [];
  for await (const chunk of stateDictChunks(convert(await open(name), { numHeads: 2, ...options })))
    chunks.push(chunk);
  return parseCheckpoint(bytesSource(Buffer.concat(chunks), 'exported.safetensors'));
}

describe('what PyTorch saved comes out as it went in: names, shapes and bits', () => {
  test.each([
    'facebook.pth',
    'facebook_wide.pth',
    'facebook_deit3.pth',
    'facebook_distilled_training.pth',
  ])('%s', async (name) => {
    const original = await open(name);
    const prefix = [...original.tensors.keys()]
      .find((key) => /^(model\.)?cls_token$/.test(key))!
      .replace('cls_token', '');
    const there = [...original.tensors.keys()].filter(
      (key) => key.startsWith(prefix) && !key.startsWith('optimizer'),
    );
    const options = name === 'facebook_wide.pth' ? { imgSize: [16, 32] } : {};
    const { tensors } = await exported(name, options);
    expect([...tensors.keys()].map((key) => prefix + key).sort()).toEqual(there.sort());
    for (const [key, tensor] of tensors) {
      const expected = original.tensors.get(prefix + key)!;
      expect(tensor.shape).toEqual(expected.shape);
      expect(
        Buffer.from((await tensor.read()).buffer).equals(Buffer.from((await expected.read()).buffer)),
      ).toBe(true);
    }
  });
});

test('the number of heads goes with it: nothing need be told to read it back', async () => {
  const checkpoint = await exported('timm_distilled.safetensors');
  expect(convert(checkpoint).config).toMatchObject({ numHeads: 2, distilled: true });
  expect(checkpoint.metadata.format).toBe('pt');
});
