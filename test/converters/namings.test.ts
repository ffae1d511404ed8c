import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { type Conversion, type ConvertOptions, convert } from '../../converters/convert.js';
import type { Facts } from '../../converters/facts.js';
import { bytesSource, parseCheckpoint } from '../../converters/formats/index.js';
import { google } from '../../converters/namings/google.js';
import {
  huggingfaceDinov2,
  huggingfaceDinov2Registers,
  huggingfaceVit,
} from '../../converters/namings/huggingface.js';
import { namings } from '../../converters/namings/index.js';
import { dino, dinov2, dinov2Registers, mae } from '../../converters/namings/selfSupervised.js';
import { timm } from '../../converters/namings/timm.js';
import { torchvision } from '../../converters/namings/torchvision.js';
import { resamplePosEmbed } from '../../converters/resamplePosEmbed.js';
import { createModel } from '../../src/models/create.js';
import { loadFrom } from '../../src/models/load.js';
import { assignWeights } from '../../src/models/weights.js';
import '../../src/node/native/backend.js';

const FOLDER = 'test/fixtures/family';
const readJson = (name: string) => JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8'));
const open = (name: string) => parseCheckpoint(bytesSource(readFileSync(`${FOLDER}/${name}`), name));

/** The input of make_family.py. */
function input(height: number, width: number, channels = 3): tf.Tensor4D {
  const values = Float32Array.from({ length: height * width * channels }, (_, i) => Math.sin(i * 0.37));
  return tf.tensor4d(values, [1, height, width, channels]);
}

function largestError(found: ArrayLike<number>, expected: readonly number[]): number {
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(found[i]! - value))) / scale;
}

interface Output {
  imgSize: [number, number];
  inChans: number;
  output: number[];
  withoutPooler?: number[];
  facts: Record<string, unknown> & { pooler?: boolean };
}
const outputs = readJson('outputs.json') as Record<string, Output>;

/** What a checkpoint's own library knows of it beside its tensors: heads are 8 wide here, not 64. */
function optionsOf(name: string): ConvertOptions {
  const { pooler, ...told } = outputs[name]!.facts;
  const config = Object.fromEntries(
    Object.entries({ numHeads: 2, ...told }).map(([field, value]) => [field, { value, source: 'the test' }]),
  );
  return { facts: { config } as Facts, pooler };
}

/** A model on tfjs' own cpu backend, which has no kernels of ours. */
async function onCpu(conversion: Conversion) {
  await tf.setBackend('cpu');
  const model = createModel(conversion.config);
  await assignWeights(model.layersModel, conversion.readWeight);
  return model;
}

async function predict(name: string, options: ConvertOptions, backend: string): Promise<Float32Array> {
  const conversion = convert(await open(name), options);
  const model = backend === 'cpu' ? await onCpu(conversion) : await loadFrom(conversion, { backend });
  const { imgSize, inChans } = conversion.config;
  const x = input(...imgSize, inChans);
  const y = model.predict(x);
  const values = (await y.data()) as Float32Array;
  tf.dispose([x, y]);
  model.dispose();
  return values;
}

test.each([
  'google_augreg.npz',
  'google_big_vision.npz',
  'google_pre_logits.npz',
])('Flax keeps heads apart, so that their number is in the file: %s', async (name) => {
  const checkpoint = await open(name);
  const { config, assumptions } = convert(checkpoint);
  expect(config.numHeads).toBe(2);
  expect(assumptions.map(({ field }) => field)).not.toContain('numHeads');
  expect(() => convert(checkpoint, { numHeads: 4 })).toThrow(/query.kernel has 2 heads; --num-heads says 4$/);
});

describe('google-research’s .npz by flax itself, without any fact beside the tensors', () => {
  const byFlax = readJson('google.json') as Record<string, number[]>;

  test.each(Object.keys(byFlax))('%s', async (name) => {
    const options = { activation: 'gelu_tanh' } as const;
    expect(largestError(await predict(name, options, 'wasm'), byFlax[name]!)).toBeLessThan(2e-6);
    const { assumptions } = convert(await open(name));
    expect(assumptions).toContainEqual({
      field: 'activation',
      value: 'gelu',
      why: expect.stringMatching(/as timm computes .*flax’s nn\.gelu, which is gelu_tanh.*--activation/),
    });
  });
});

test('of big_vision’s class token there is no position, and nothing is assumed of it', async () => {
  const { config, assumptions } = convert(await open('google_big_vision_token.npz'));
  expect(config).toMatchObject({ posEmbedPrefix: false, imgSize: [12, 12] });
  expect(assumptions.map(({ field }) => field)).not.toContain('posEmbedPrefix');
});

test('every table of converters/namings is in its index', async () => {
  const files = readdirSync('converters/namings').filter((file) => file.endsWith('.ts'));
  const tables: unknown[] = [];
  for (const file of files) {
    const module = await import(`../../converters/namings/${file.replace(/ts$/, 'js')}`);
    tables.push(...Object.values(module).filter(isTable));
  }
  expect(tables.length).toBeGreaterThan(15);
  expect(new Set(tables)).toEqual(new Set(namings));
});

const isTable = (value: unknown) =>
  ['rows', 'blocks', 'library'].every((field) => Object.hasOwn(Object(value), field));

describe('parallel blocks of facebookresearch/deit, whose branches have names of their own', () => {
  const PLACES: [RegExp, string][] = [
    [/\.attns\.0\.norm/, '.norm1'],
    [/\.attns\.1\.norm/, '.norm11'],
    [/\.attns\.0\.attn\./, '.attn.'],
    [/\.attns\.1\.attn\./, '.attn1.'],
    [/\.attns\.0\.ls\.gamma/, '.gamma_1'],
    [/\.attns\.1\.ls\.gamma/, '.gamma_1_1'],
    [/\.ffns\.0\.norm/, '.norm2'],
    [/\.ffns\.1\.norm/, '.norm21'],
    [/\.ffns\.0\.mlp\./, '.mlp.'],
    [/\.ffns\.1\.mlp\./, '.mlp1.'],
    [/\.ffns\.0\.ls\.gamma/, '.gamma_2'],
    [/\.ffns\.1\.ls\.gamma/, '.gamma_2_1'],
  ];

  /** timm's model of the same architecture under its names. */
  async function renamed(prefix: string) {
    const checkpoint = await open('timm_parallel.safetensors');
    const nameOf = (old: string) => prefix + PLACES.reduce((text, [from, to]) => text.replace(from, to), old);
    const tensors = [...checkpoint.tensors].map(
      ([old, tensor]) => [nameOf(old), { ...tensor, name: nameOf(old) }] as const,
    );
    return { ...checkpoint, tensors: new Map(tensors) };
  }

  test.each(['', 'model.'])('under %j', async (prefix) => {
    const checkpoint = await renamed(prefix);
    const conversion = convert(checkpoint, { numHeads: 2 });
    expect(conversion.config.parallel).toBe(2);
    expect(conversion.report).toMatchObject({ naming: 'facebook', leftOver: [], dropped: [] });
    const { imgSize, inChans, output } = outputs['timm_parallel.safetensors']!;
    const model = await loadFrom(conversion, { backend: 'wasm' });
    const x = input(...imgSize, inChans);
    const y = model.predict(x);
    expect(largestError(await y.data(), output)).toBeLessThan(1e-5);
    tf.dispose([x, y]);
    model.dispose();
  });

  test('a branch that is not whole is named as the file would have it', async () => {
    const checkpoint = await renamed('model.');
    checkpoint.tensors.delete('model.blocks.1.mlp1.fc2.weight');
    expect(() => convert(checkpoint, { numHeads: 2 })).toThrow(/model\.blocks\.1\.mlp1\.fc2\.weight/);
  });
});

test('torchvision has one pooling, so that nothing is assumed of it', async () => {
  const { assumptions, config } = convert(await open('torchvision.pth'), { numHeads: 2 });
  expect(config.pool ?? 'token').toBe('token');
  expect(assumptions.map(({ field }) => field)).not.toContain('pool');
});

test('DINOv2 with registers: how positions were resampled is said, unless a name tells', async () => {
  const checkpoint = await open('dinov2_registers_swiglu.pth');
  const resampling = (options: ConvertOptions) =>
    convert(checkpoint, { numHeads: 2, ...options }).assumptions.filter(
      ({ field }) => field === 'resampling',
    );
  expect(resampling({})).toEqual([]);
  expect(resampling({ imgSize: [24, 16] })).toEqual([
    { field: 'resampling', value: 'bicubic with antialias', why: expect.stringContaining('offset 0.1') },
  ]);
});

describe.each(['wasm', 'cpu'])('outputs equal the library’s own to 1e-5 on %s', (backend) => {
  test.each(Object.keys(outputs))('%s', async (name) => {
    const values = await predict(name, optionsOf(name), backend);
    expect(values).toHaveLength(outputs[name]!.output.length);
    expect(largestError(values, outputs[name]!.output)).toBeLessThan(1e-5);
  });
});

describe('a pooler with a classifier behind it', () => {
  const name = 'hf_pooler_and_classifier.safetensors';

  test('is asked for, since transformers leaves it out and others do not', async () => {
    await expect(predict(name, { numHeads: 2 }, 'wasm')).rejects.toThrow(
      /a pooler \(vit\.pooler\.dense\.weight\) and a classifier behind it.*--pooler or --no-pooler/,
    );
  });

  test('is left out as transformers’ ViTForImageClassification does, and listed', async () => {
    const facts: Facts = {
      config: { numHeads: { value: 2, source: '' } },
      name: { value: 'ViTForImageClassification', source: 'config.json' },
    };
    for (const options of [{ numHeads: 2, pooler: false }, { facts }]) {
      expect(largestError(await predict(name, options, 'wasm'), outputs[name]!.withoutPooler!)).toBeLessThan(
        1e-5,
      );
      expect(convert(await open(name), options).report.dropped).toContain('vit.pooler.dense.weight');
    }
  });
});

test('a pooler with another non-linearity than tanh is refused where it is read, and left out elsewhere', async () => {
  const name = 'hf_pooler_and_classifier.safetensors';
  const facts: Facts = {
    config: { numHeads: { value: 2, source: '' } },
    poolerActivation: { value: 'gelu', source: 'config.json: pooler_act' },
  };
  await expect(predict(name, { facts, pooler: true }, 'wasm')).rejects.toThrow(
    'config.json: pooler_act is "gelu"; only a pooler with tanh is computed here',
  );
  expect(convert(await open(name), { facts, pooler: false }).report.dropped).toContain(
    'vit.pooler.dense.weight',
  );
});

describe('the naming, what is dropped and what is left over', () => {
  test.each<[string, string, string, string[], RegExp | undefined]>([
    ['timm_clip.safetensors', 'timm', '', [], undefined],
    ['dinov2.pth', 'dinov2', '', ['mask_token'], undefined],
    ['dinov2_training.pth', 'dinov2', 'teacher.backbone.', ['teacher.backbone.mask_token'], /dino_head/],
    ['dino_training.pth', 'dino', 'teacher.backbone.', [], /^student\.module\.backbone\./],
    ['mae_pretrained.pth', 'mae', 'model.', ['model.decoder_pred.weight', 'model.mask_token'], undefined],
    [
      'moco_pretrained.pth.tar',
      'moco',
      'state_dict.module.base_encoder.',
      ['state_dict.module.base_encoder.head.0.weight'],
      /momentum_encoder/,
    ],
    ['mmpretrain_vit.pth', 'mmpretrain', 'state_dict.backbone.', [], undefined],
    ['hf_vit_bare.safetensors', 'huggingface', '', ['pooler.dense.weight'], undefined],
    ['hf_clip_whole.safetensors', 'huggingface', 'vision_model.', [], /^text_model\./],
    [
      'hf_clip_classifier.safetensors',
      'huggingface',
      'vision_model.',
      ['vision_model.post_layernorm.weight'],
      undefined,
    ],
    ['hf_timm_wrapper.safetensors', 'timm', 'timm_model.', [], undefined],
    ['torchvision.pth', 'torchvision', '', [], undefined],
    ['google_big_vision.npz', 'google', 'params/', [], undefined],
  ])('%s', async (file, naming, prefix, dropped, leftOver) => {
    const { report } = convert(await open(file), optionsOf(file));
    expect(report).toMatchObject({ naming, prefix });
    for (const name of dropped) expect(report.dropped).toContain(name);
    if (dropped.length === 0) expect(report.dropped).toEqual([]);
    if (leftOver) expect(report.leftOver.some((name) => leftOver.test(name))).toBe(true);
    else expect(report.leftOver.filter((name) => name !== 'best_acc1')).toEqual([]);
  });
});

test.each<[string, ConvertOptions]>([
  ['timm_avg_without_fc_norm.safetensors', { pool: 'mean' }],
  ['timm_quick_gelu.safetensors', { activation: 'quick_gelu' }],
  ['timm_epsilon.safetensors', { layerNormEps: 1e-3 }],
])('%s by an option alone', async (name, options) => {
  expect(
    largestError(await predict(name, { numHeads: 2, ...options }, 'wasm'), outputs[name]!.output),
  ).toBeLessThan(1e-5);
  expect(largestError(await predict(name, { numHeads: 2 }, 'wasm'), outputs[name]!.output)).toBeGreaterThan(
    1e-5,
  );
});

test('what neither tensors nor facts tell is an assumption, with the published models that differ', async () => {
  const { assumptions } = convert(await open('timm_clip.safetensors'), { numHeads: 2 });
  const said = Object.fromEntries(assumptions.map(({ field, value, why }) => [field, `${value}: ${why}`]));
  expect(said.layerNormEps).toMatch(/0\.00001|1e-5/);
  expect(said.activation).toMatch(/^gelu: .*quick_gelu/);
  expect(said.pool).toMatch(/^token/);
  expect(said.preprocessing).toMatch(/^preset clip/);
  const all = convert(await open('timm_clip.safetensors'), {
    facts: {
      config: {
        numHeads: { value: 2, source: '' },
        layerNormEps: { value: 1e-5, source: '' },
        activation: { value: 'gelu', source: '' },
        pool: { value: 'token', source: '' },
      },
      preprocessing: {
        value: convert(await open('timm_clip.safetensors'), { numHeads: 2 }).preprocessing,
        source: '',
      },
    },
  });
  expect(all.assumptions).toEqual([]);
});

describe('a conversion to another size takes the way of its code base', () => {
  test.each([
    ['hf_vit.safetensors', 'bicubic, as transformers'],
    ['hf_dinov2.safetensors', 'bicubic, as transformers'],
    ['hf_dinov2_registers.safetensors', 'bicubic with antialias, as transformers'],
    ['hf_clip_vision.safetensors', 'bicubic, as transformers'],
    ['dinov2.pth', 'bicubic with offset 0.1, as facebookresearch/dinov2'],
    ['dinov2_registers_swiglu.pth', 'bicubic with antialias, as facebookresearch/dinov2'],
    ['dino_training.pth', 'bicubic with offset 0.1, as facebookresearch/dino'],
    ['mae_finetuned.pth', 'bicubic, as facebookresearch/deit'],
    ['mmpretrain_vit.pth', 'bicubic, as mmpretrain'],
    ['torchvision.pth', 'bicubic with corners aligned, as torchvision'],
    ['google_augreg.npz', 'bilinear with corners aligned, as google-research/vision_transformer'],
    ['timm_registers.safetensors', 'bicubic with antialias, as timm'],
    ['hf_timm_wrapper.safetensors', 'bicubic with antialias, as timm'],
  ])('%s: %s', async (name, how) => {
    const { report } = convert(await open(name), { ...optionsOf(name), imgSize: [20, 16] });
    expect(report.resampled).toEqual([`pos_embed: 3×3 → 5×4 patches, ${how}`]);
  });

  test('where facebook’s and timm’s names are the same, that is an assumption; a fact decides', async () => {
    const name = 'timm_headless.safetensors';
    const at = async (library?: 'facebook' | 'dino' | 'timm') => {
      const facts: Facts = {
        config: { numHeads: { value: 2, source: '' } },
        ...(library ? { library: { value: library, source: 'the test' } } : {}),
      };
      const { report, assumptions } = convert(await open(name), { facts, imgSize: [20, 16] });
      return [
        report.resampled[0]!.split(', ').at(-1),
        assumptions.some(({ field }) => field === 'resampling'),
      ];
    };
    expect(await at()).toEqual(['as timm', true]);
    expect(await at('facebook')).toEqual(['as facebookresearch/deit', false]);
    expect(await at('dino')).toEqual(['as facebookresearch/dino', false]);
    expect((await at('timm'))[0]).toBe('as timm');
  });
});

describe('position embeddings at another size equal those of the library', () => {
  const { from, prefix, dim, embedding, cases } = readJson('positions.json');
  const namings = {
    timm,
    dino,
    dinov2,
    dinov2Registers,
    mae,
    torchvision,
    google,
    huggingfaceVit,
    huggingfaceDinov2,
    huggingfaceDinov2Registers,
  };
  test.each(
    cases as { naming: keyof typeof namings; to: [number, number]; values: number[] }[],
  )('$naming: 3×3 → $to', ({ naming, to, values }) => {
    const { resample } = namings[naming];
    const found = resamplePosEmbed(Float32Array.from(embedding), dim, prefix, from, to, resample);
    expect(largestError(found, values)).toBeLessThan(1e-6);
  });
});
