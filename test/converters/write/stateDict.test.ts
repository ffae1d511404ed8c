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

describe('variants come out under timm’s names, with what tensors do not tell, and are read back the same', () => {
  const family = (name: string) => `../family/timm_${name}.safetensors`;
  test.each<[string, object]>([
    ['clip', { layerNormEps: 1e-5 }],
    ['quick_gelu', { activation: 'quick_gelu' }],
    ['avg', {}],
    ['avg_without_fc_norm', { pool: 'mean' }],
    ['no_class_token', {}],
    ['map_registers', {}],
    ['map_with_prefix', { poolPrefix: true }],
    ['registers', {}],
    ['registers_no_embed', {}],
    ['qk_norm', {}],
    ['swiglu_packed', {}],
    ['parallel', {}],
    ['no_final_norm', {}],
    ['epsilon', { layerNormEps: 1e-3 }],
  ])('%s', async (name, told) => {
    const original = await open(family(name));
    const config = Object.fromEntries(
      Object.entries({ numHeads: 2, ...told }).map(([field, value]) => [
        field,
        { value, source: 'the test' },
      ]),
    );
    const before = convert(original, { facts: { config } });
    const chunks = [];
    for await (const chunk of stateDictChunks(before)) chunks.push(chunk);
    const exported = await parseCheckpoint(bytesSource(Buffer.concat(chunks), 'exported.safetensors'));
    expect([...exported.tensors.keys()].sort()).toEqual([...original.tensors.keys()].sort());
    for (const [key, tensor] of exported.tensors) {
      const expected = original.tensors.get(key)!;
      expect(tensor.shape).toEqual(expected.shape);
      expect(await tensor.read()).toEqual(await expected.read());
    }
    expect({ ...convert(exported).config, name: '' }).toEqual({ ...before.config, name: '' });
  });

  test.each([
    [
      'hf_dinov2.safetensors',
      /cannot be exported: no model of timm or facebookresearch\/deit has pool token_mean/,
    ],
    ['hf_deit.safetensors', /distilledHead false/],
    ['torchvision_pre_logits.pth', /preLogits/],
    ['dinov2_registers_swiglu.pth', /registerPositions false/],
  ])('%s is refused by its field', async (name, message) => {
    const conversion = convert(await open(`../family/${name}`), { numHeads: 2 });
    await expect((async () => stateDictChunks(conversion).next())()).rejects.toThrow(message);
  });
});

test('the number of heads goes with it: nothing need be told to read it back', async () => {
  const checkpoint = await exported('timm_distilled.safetensors');
  const { config, assumptions } = convert(checkpoint);
  expect(config).toMatchObject({ numHeads: 2, distilled: true });
  expect(assumptions.map(({ field }) => field)).toEqual([]);
  expect(checkpoint.metadata.format).toBe('pt');
});
