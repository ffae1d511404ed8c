import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import { imagenetLabels } from '../../configs/imagenet.js';
import { type Conversion, convert } from '../../converters/convert.js';
import {
  bytesSource,
  type Checkpoint,
  type CheckpointTensor,
  parseCheckpoint,
} from '../../converters/formats/index.js';
import { resamplePosEmbed } from '../../converters/resamplePosEmbed.js';
import { UserError } from '../../src/errors.js';
import { preprocessingFor } from '../../src/image/index.js';
import { loadFrom } from '../../src/models/load.js';
import '../../src/node/native/backend.js';
import { openModel } from '../../src/node/openModel.js';
import { showNativeTensorflow, testedNativeFolder } from '../native.js';

const FOLDER = 'test/fixtures/models';
const readJson = (name: string) => JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8'));
const open = (name: string) => parseCheckpoint(bytesSource(readFileSync(`${FOLDER}/${name}`), name));

/** The input of make_models.py. */
function input(height: number, width: number): tf.Tensor4D {
  const values = Float32Array.from({ length: height * width * 3 }, (_, i) => Math.sin(i * 0.37));
  return tf.tensor4d(values, [1, height, width, 3]);
}

function largestError(found: ArrayLike<number>, expected: readonly number[]): number {
  const scale = Math.max(...expected.map(Math.abs));
  return Math.max(...expected.map((value, i) => Math.abs(found[i]! - value))) / scale;
}

interface Reference {
  imgSize: [number, number];
  logits: number[];
  features: number[];
}
const reference = readJson('models.json') as Record<string, Reference>;

/** What convert needs to be told: heads are 8 wide here, not 64. */
const options = (name: string) => ({
  numHeads: 2,
  ...(name === 'facebook_wide.pth' ? { imgSize: [16, 32] as const } : {}),
});

showNativeTensorflow();
const backends = testedNativeFolder ? ['wasm', 'tensorflow'] : ['wasm'];

describe.each(backends)('logits and tokens equal PyTorch’s to 1e-5 on %s', (backend) => {
  test.each(Object.keys(reference))('%s', async (name) => {
    const { imgSize, logits, features } = reference[name]!;
    const model = await loadFrom(convert(await open(name), options(name)), { backend });
    const x = input(...imgSize);
    const y = model.predict(x);
    expect(largestError(y.dataSync(), logits)).toBeLessThan(1e-5);
    const { tokens } = model.features(x);
    const [, count, dim] = tokens.shape;
    const first = tokens.dataSync().filter((_, i) => i % dim === 0);
    expect(first.length).toBe(count);
    expect(largestError(first, features)).toBeLessThan(1e-5);
    tf.dispose([x, y, tokens]);
    model.dispose();
  });
});

describe('position embeddings for another grid equal PyTorch’s', () => {
  const { from, prefix, dim, embedding, cases } = readJson('resampled.json');
  test.each(cases as { to: [number, number]; facebook: number[]; timm: number[] }[])('3×4 → $to', (c) => {
    const resample = (antialias: boolean) =>
      resamplePosEmbed(Float32Array.from(embedding), dim, prefix, from, c.to, { kernel: 'cubic', antialias });
    expect(largestError(resample(false), c.facebook)).toBeLessThan(1e-6);
    expect(largestError(resample(true), c.timm)).toBeLessThan(1e-6);
  });
});

describe('the report', () => {
  test('names naming, prefix, and what was left over', async () => {
    const { report } = convert(await open('facebook_distilled_training.pth'), { numHeads: 2 });
    expect(report).toMatchObject({
      format: 'zip',
      naming: 'facebook',
      prefix: 'model.',
      mapped: 35,
      dropped: [],
    });
    expect(report.leftOver).toContain('optimizer.state.0.exp_avg');
    expect(report.leftOver).toContain('model_ema.cls_token');
  });

  test.each([
    ['facebook.pth', 'facebook'],
    ['timm_deit3.safetensors', 'timm'],
    ['timm_distilled.safetensors', 'timm'],
    ['mmpretrain_distilled.pth', 'mmpretrain'],
  ])('%s is of %s naming', async (name, naming) => {
    expect(convert(await open(name), { numHeads: 2 }).report.naming).toBe(naming);
  });

  test('one of several files is refused by its name', async () => {
    const { tensors, metadata, format } = await open('facebook.pth');
    const named = (name: string) => convert({ name, format, tensors, metadata }, { numHeads: 2 });
    expect(() => named('x/model-00002-of-00003.safetensors')).toThrow(
      'x/model-00002-of-00003.safetensors: is file 2 of 3 of a checkpoint; give their folder, or the .index.json',
    );
    expect(named('x/model-00001-of-00001.safetensors').config.depth).toBe(named('x.pth').config.depth);
  });

  test('says that images of another size resample the position embeddings, unless it was asked for', async () => {
    const file = await open('facebook.pth');
    const preprocessing = { value: preprocessingFor('deit', [48, 48]), source: 'config.json' };
    const told = { numHeads: 2, facts: { config: {}, preprocessing } };
    const said = ({ assumptions }: Conversion) => assumptions.filter(({ field }) => field === 'imgSize');
    expect(said(convert(file, told))).toEqual([
      { field: 'imgSize', value: '48×48', why: expect.stringMatching(/^config\.json gives .* of 24×24: /) },
    ]);
    expect(said(convert(file, { ...told, imgSize: [48, 48] }))).toEqual([]);
    const dinov2 = { value: 'dinov2' as const, source: 'config.json' };
    expect(said(convert(file, { ...told, facts: { ...told.facts, library: dinov2 } }))).toEqual([]);
  });

  test('says how position embeddings were resampled', async () => {
    const { report, config } = convert(await open('facebook.pth'), { numHeads: 2, imgSize: [40, 32] });
    expect(report.resampled).toEqual(['pos_embed: 3×3 → 5×4 patches, bicubic, as facebookresearch/deit']);
    expect(config.imgSize).toEqual([40, 32]);
  });

  test('a head of another size is replaced, with the same numbers each time', async () => {
    const fresh = async () =>
      convert(await open('facebook_distilled_training.pth'), { numHeads: 2, numClasses: 4 });
    const { report, readWeight } = await fresh();
    expect(report.initialized).toEqual(['head.kernel', 'head.bias', 'head_dist.kernel', 'head_dist.bias']);
    expect(report.dropped).toContain('model.head.weight');
    const head = await readWeight('head.kernel');
    expect(head).toHaveLength(16 * 4);
    expect(head).toEqual(await (await fresh()).readWeight('head.kernel'));
    expect(head).not.toEqual(await readWeight('head_dist.kernel'));
  });

  test('numClasses 0 drops the heads', async () => {
    const { config, report } = convert(await open('facebook.pth'), { numHeads: 2, numClasses: 0 });
    expect(config.numClasses).toBe(0);
    expect(report.dropped).toEqual(['model.head.bias', 'model.head.weight']);
  });

  test('a distilled model without heads gives the mean of its two tokens, as timm’s with num_classes=0', async () => {
    const headless = convert(await open('facebook_distilled_training.pth'), { numHeads: 2, numClasses: 0 });
    expect(headless.report.dropped).toContain('model.head_dist.bias');
    const model = await loadFrom(headless, { backend: 'wasm' });
    const x = input(...model.config.imgSize);
    const { tokens } = model.features(x); // equal to PyTorch’s by the test above
    const mean = tf.mean(tf.slice(tokens, [0, 0, 0], [1, 2, -1]), 1).dataSync();
    expect(largestError(model.predict(x).dataSync(), Array.from(mean))).toBeLessThan(1e-6);
    await expect(model.classify({ data: new Uint8Array(3), width: 1, height: 1 })).rejects.toThrow(
      /has no head to classify with/,
    );
    model.dispose();
  });
});

/** A checkpoint of tensors made up in memory. */
function checkpointOf(
  shapes: Record<string, number[]>,
  fill = 0.5,
  metadata: Checkpoint['metadata'] = {},
): Checkpoint {
  const tensors = Object.entries(shapes).map(([name, shape]): [string, CheckpointTensor] => {
    const size = shape.reduce((a, b) => a * b, 1);
    return [name, { name, dtype: 'float32', shape, read: async () => new Float32Array(size).fill(fill) }];
  });
  return { name: 'made.pth', format: 'zip', tensors: new Map(tensors), metadata };
}

function vitShapes(dim = 64, classes = 1000): Record<string, number[]> {
  return {
    cls_token: [1, 1, dim],
    pos_embed: [1, 5, dim],
    'patch_embed.proj.weight': [dim, 3, 4, 4],
    'patch_embed.proj.bias': [dim],
    'blocks.0.norm1.weight': [dim],
    'blocks.0.norm1.bias': [dim],
    'blocks.0.attn.qkv.weight': [3 * dim, dim],
    'blocks.0.attn.qkv.bias': [3 * dim],
    'blocks.0.attn.proj.weight': [dim, dim],
    'blocks.0.attn.proj.bias': [dim],
    'blocks.0.norm2.weight': [dim],
    'blocks.0.norm2.bias': [dim],
    'blocks.0.mlp.fc1.weight': [4 * dim, dim],
    'blocks.0.mlp.fc1.bias': [4 * dim],
    'blocks.0.mlp.fc2.weight': [dim, 4 * dim],
    'blocks.0.mlp.fc2.bias': [dim],
    'norm.weight': [dim],
    'norm.bias': [dim],
    'head.weight': [classes, dim],
    'head.bias': [classes],
  };
}

test('heads: told, else stored in the checkpoint, else of the usual width of 64', () => {
  const heads = (metadata: Checkpoint['metadata'], numHeads?: number) =>
    convert(checkpointOf(vitShapes(128), 0.5, metadata), { numHeads }).config.numHeads;
  expect(heads({})).toBe(2);
  expect(heads({ 'args.num_heads': 4 })).toBe(4);
  expect(heads({ 'args.num_heads': 4 }, 8)).toBe(8);
  expect(() => convert(checkpointOf(vitShapes(96)))).toThrow(
    /a width of 96 does not divide into heads of 64.*--num-heads/,
  );
  expect(convert(checkpointOf(vitShapes(96)), { numHeads: 3 }).config.numHeads).toBe(3);
  expect(() => convert(checkpointOf(vitShapes(96)), { numHeads: 5 })).toThrow(/does not divide into 5 heads/);
});

describe('what nothing tells is said', () => {
  const said = (checkpoint: Checkpoint, field: string, given = {}) =>
    convert(checkpoint, given).assumptions.filter((one) => one.field === field);
  const shapes = (change: Record<string, number[] | undefined>) => {
    const all: Record<string, number[] | undefined> = { ...vitShapes(64, 5), ...change };
    const kept = Object.entries(all).filter((entry): entry is [string, number[]] => entry[1] !== undefined);
    return checkpointOf(Object.fromEntries(kept));
  };

  test('the activation of gates: a GEGLU has the tensors of a SwiGLU', async () => {
    const gated = await open('../family/timm_swiglu_packed.safetensors');
    const told = { numHeads: 2 };
    expect(said(gated, 'activation', told)).toMatchObject([{ value: 'silu' }]);
    expect(said(gated, 'activation', { ...told, activation: 'silu' })).toEqual([]);
    expect(() => convert(gated, { ...told, activation: 'gelu' })).toThrow(
      /the MLPs are gated, and --activation says gelu/,
    );
  });

  test('a head on two features', () => {
    expect(said(shapes({ 'head.weight': [5, 128] }), 'pool')).toMatchObject([{ value: 'token_mean' }]);
  });

  test('pooling without a class token', () => {
    const checkpoint = shapes({ cls_token: undefined, pos_embed: [1, 4, 64] });
    expect(said(checkpoint, 'pool')).toMatchObject([{ value: 'mean' }]);
    expect(said(checkpoint, 'pool', { pool: 'mean' })).toEqual([]);
    expect(said(checkpoint, 'pool', { numClasses: 0 })).toMatchObject([{ value: 'mean' }]);
  });

  test.each([
    ['the usual', { pos_embed: [1, 5, 64] }, []],
    ['none for the class token, or an oblong grid', { pos_embed: [1, 4, 64] }, ['false']],
    ['registers with positions or without', { pos_embed: [1, 17, 64], reg_token: [1, 7, 64] }, ['true']],
  ])('what position embeddings are for: %s', (_, change, values) => {
    expect(said(shapes(change), 'posEmbedPrefix').map(({ value }) => value)).toEqual(values);
  });

  test('transformers’ class tokens have positions: others than of a square grid are asked for', async () => {
    const vit = await open('../family/hf_vit.safetensors');
    const name = [...vit.tensors.keys()].find((one) => one.endsWith('position_embeddings'))!;
    const tensors = new Map(vit.tensors).set(name, { ...vit.tensors.get(name)!, shape: [1, 25, 16] });
    const given = (imgSize?: [number, number]) =>
      convert({ ...vit, tensors }, { numHeads: 2, ...(imgSize && { imgSize }) }).config.imgSize;
    expect(() => given()).toThrow(/25 positions, which is no square grid/);
    expect(given([16, 24])).toEqual([16, 24]);
  });

  test('the size in pixels that images are prepared at', () => {
    expect(said(shapes({}), 'preprocessing')[0]!.why).toContain('at 8×8 pixels');
  });

  test('one output has no probabilities', () => {
    expect(said(checkpointOf(vitShapes(64, 1)), 'probabilities')).toMatchObject([
      { why: expect.stringContaining('always 1') },
    ]);
    expect(said(checkpointOf(vitShapes(64, 2)), 'probabilities')).toEqual([]);
  });

  test('attention pooling that is told and not in the file', async () => {
    const tower = await open('../family/hf_siglip_tower.safetensors');
    expect(said(tower, 'pool', { numHeads: 2, pool: 'map' })).toEqual([
      {
        field: 'pool',
        value: 'mean',
        why: '--pool tells attention pooling, of which no tensor is in the file',
      },
    ]);
    const whole = await open('../family/hf_siglip_vision.safetensors');
    expect(said(whole, 'pool', { numHeads: 2, pool: 'map' })).toEqual([]);
    expect(said(shapes({}), 'pool', { pool: 'map' })).toMatchObject([{ value: 'token' }]);
  });

  test('a projection into the space of texts has no classes', async () => {
    const told = { numHeads: 2 };
    const own = await open('../family/hf_clip_projection.safetensors');
    expect(said(own, 'probabilities', told)).toMatchObject([
      { why: expect.stringContaining('visual_projection.weight gives an embedding') },
    ]);
    expect(said(await open('../family/hf_clip_classifier.safetensors'), 'probabilities', told)).toEqual([]);
    const timm = (classes: number) =>
      shapes({
        'norm_pre.weight': [64],
        'norm_pre.bias': [64],
        'patch_embed.proj.bias': undefined,
        'head.weight': [classes, 64],
        'head.bias': [classes],
      });
    expect(said(timm(512), 'probabilities')).toMatchObject([
      { why: expect.stringContaining('head.weight is as wide as CLIP’s projections') },
    ]);
    expect(said(timm(511), 'probabilities')).toEqual([]);
    const labels = Array.from({ length: 512 }, (_, i) => `class ${i}`);
    expect(said(timm(512), 'probabilities', { labels })).toEqual([]);
    expect(said(timm(512), 'probabilities', { numClasses: 512 })).toHaveLength(1);
    expect(said(timm(512), 'probabilities', { numClasses: 0 })).toEqual([]);
  });

  test('timm’s first vit_small, whose attention has another scale', () => {
    const block = (i: number, bias: boolean) => ({
      ...(bias ? { [`blocks.${i}.attn.qkv.bias`]: [3 * 768] } : {}),
      ...Object.fromEntries(
        Object.entries(vitShapes(768, 5))
          .filter(([name]) => name.startsWith('blocks.0.') && !name.endsWith('qkv.bias'))
          .map(([name, shape]) => [
            name.replace('.0.', `.${i}.`),
            shape.map((side) => (side === 4 * 768 ? 3 * 768 : side)),
          ]),
      ),
    });
    const small = (bias: boolean) => {
      const { 'blocks.0.attn.qkv.bias': _, ...rest } = vitShapes(768, 5);
      return checkpointOf(Object.assign(rest, ...Array.from({ length: 8 }, (_, i) => block(i, bias))));
    };
    expect(said(small(false), 'attentionScale')).toEqual([
      { field: 'attentionScale', value: '96**-0.5', why: expect.stringContaining('768**-0.5') },
    ]);
    expect(said(small(true), 'attentionScale')).toEqual([]);
  });

  test('a head without outputs is none', () => {
    const { config, report } = convert(shapes({ 'head.weight': [0, 64], 'head.bias': [0] }));
    expect(config.numClasses).toBe(0);
    expect([...report.dropped].sort()).toEqual(['head.bias', 'head.weight']);
  });

  test('an activation and a pooling that a script keeps are read', () => {
    const metadata = {
      'hyper_parameters.act_layer': 'gelu_tanh',
      'hyper_parameters.global_pool': 'avg',
    };
    const { config } = convert(checkpointOf(vitShapes(64, 5), 0.5, metadata));
    expect(config).toMatchObject({ activation: 'gelu_tanh', pool: 'mean' });
  });
});

describe('DeiT3 of mmpretrain, whose code reads its first norm twice', () => {
  /** facebookresearch's DeiT III under mmpretrain's names. */
  async function renamed(change = (_name: string, values: Float32Array) => values): Promise<Checkpoint> {
    const checkpoint = await open('facebook_deit3.pth');
    const places: [RegExp, string][] = [
      [/^head\./, 'head.layers.head.'],
      [/^norm\./, 'backbone.ln1.'],
      [/^patch_embed\.proj/, 'backbone.patch_embed.projection'],
      [/^blocks\./, 'backbone.layers.'],
      [/^(cls_token|pos_embed)/, 'backbone.$1'],
      [/\.norm(\d)\./, '.ln$1.'],
      [/\.mlp\.fc1\./, '.ffn.layers.0.0.'],
      [/\.mlp\.fc2\./, '.ffn.layers.1.'],
      [/\.gamma_1$/, '.attn.gamma1.weight'],
      [/\.gamma_2$/, '.ffn.gamma2.weight'],
    ];
    const tensors = new Map(
      [...checkpoint.tensors].map(([old, tensor]) => {
        const own = old.replace(/^model\./, '');
        const name = places.reduce((text, [from, to]) => text.replace(from, to), own);
        const read = async () => change(name, (await tensor.read()) as Float32Array);
        return [name, { ...tensor, name, read } as CheckpointTensor];
      }),
    );
    return { ...checkpoint, tensors };
  }

  test('which norm is read is said', async () => {
    const { assumptions, report, readWeight } = convert(await renamed(), { numHeads: 2 });
    expect(report.naming).toBe('mmpretrain');
    expect(assumptions).toContainEqual({
      field: 'norm2',
      value: 'ln2',
      why: expect.stringContaining('computes ln1 in its place'),
    });
    expect(await readWeight('blocks.0.norm2.gamma')).toBeInstanceOf(Float32Array);
    const others = convert(await open('facebook_deit3.pth'), { numHeads: 2 }).assumptions;
    expect(others.map(({ field }) => field)).not.toContain('norm2');
  });

  test('a model that was trained so is refused', async () => {
    const untrained = (name: string, values: Float32Array) =>
      /ln2\.weight$/.test(name) ? values.map(() => 1) : values;
    const { readWeight } = convert(await renamed(untrained), { numHeads: 2 });
    await expect(readWeight('blocks.1.norm2.gamma')).rejects.toThrow(
      /backbone\.layers\.1\.ln2\.weight was never trained: DeiT3 of mmpretrain 1\.0 to 1\.2/,
    );
  });
});

describe('wrong checkpoints are refused in one line', () => {
  const broken = (change: (shapes: Record<string, number[]>) => void) => {
    const shapes = vitShapes();
    change(shapes);
    return () => convert(checkpointOf(shapes));
  };

  test.each<[string, (s: Record<string, number[]>) => void, RegExp]>([
    [
      'no vision transformer',
      (s) => void delete s['patch_embed.proj.weight'],
      /made\.pth: no vision transformer in it: expected patch_embed\.proj\.weight/,
    ],
    [
      'a missing tensor',
      (s) => void delete s['blocks.0.mlp.fc2.bias'],
      /made\.pth: the tensor blocks\.0\.mlp\.fc2\.bias is missing/,
    ],
    [
      'a missing block',
      (s) => {
        for (const name of Object.keys(s)) {
          if (name.startsWith('blocks.0.')) s[name.replace('.0.', '.2.')] = s[name]!;
        }
      },
      /the tensor blocks\.1\.norm1\.weight is missing/,
    ],
    ['a missing norm', (s) => void delete s['norm.weight'], /the tensor norm\.weight is missing/],
    [
      'an extra tensor',
      (s) => Object.assign(s, { 'blocks.0.attn.extra.weight': [64] }),
      /1 tensor\(s\) belong to no part of a ViT or DeiT: blocks\.0\.attn\.extra\.weight/,
    ],
    [
      'a wrong shape',
      (s) => Object.assign(s, { 'blocks.0.mlp.fc1.bias': [255] }),
      /blocks\.0\.mlp\.fc1\.bias should have shape \[256\], has \[255\]/,
    ],
    [
      'an odd grid',
      (s) => Object.assign(s, { pos_embed: [1, 8, 64] }),
      /pos_embed has 8 positions, which is no square grid/,
    ],
    [
      'channels last, as MLX has them',
      (s) => Object.assign(s, { 'patch_embed.proj.weight': [64, 4, 4, 3] }),
      /patch_embed\.proj\.weight has shape \[64, 4, 4, 3\], channels last.*expected PyTorch’s \[64, 3, 4, 4\]/,
    ],
    [
      'channels last, as TensorFlow has them',
      (s) => Object.assign(s, { 'patch_embed.proj.weight': [4, 4, 3, 64] }),
      /patch_embed\.proj\.weight has shape \[4, 4, 3, 64\], channels last.*expected PyTorch’s \[64, 3, 4, 4\]/,
    ],
    [
      'registers beside a distillation token, which timm keeps and leaves out',
      (s) => Object.assign(s, { dist_token: [1, 1, 64], reg_token: [1, 2, 64] }),
      /reg_token lies beside a distillation token: .* not computed here/,
    ],
    ['a head without bias', (s) => void delete s['head.bias'], /the tensor head\.bias is missing/],
  ])('%s', (_, change, message) => {
    expect(broken(change)).toThrow(message);
  });

  test('a missing tensor has the name that it has in its own naming', async () => {
    const without = async (file: string, name: string) => {
      const checkpoint = await open(file);
      const tensors = new Map(checkpoint.tensors);
      if (!tensors.delete(name)) throw new Error(`${file} has no ${name}`);
      return () => convert({ ...checkpoint, tensors }, { numHeads: 2 });
    };
    const norm = 'state_dict.backbone.layers.1.ln2.bias';
    expect(await without('mmpretrain_distilled.pth', norm)).toThrow(
      `the tensor ${norm} is missing (mmpretrain naming)`,
    );
    const query = 'vit.encoder.layer.0.attention.attention.query.weight';
    expect(await without('../family/hf_vit.safetensors', query)).toThrow(
      `the tensor ${query} is missing (huggingface naming)`,
    );
    expect(await without('../family/hf_vit.safetensors', 'classifier.bias')).toThrow(
      'the tensor classifier.bias is missing (huggingface naming)',
    );
  });

  test('a named model that it is not', () => {
    const whole = checkpointOf(vitShapes());
    expect(() => convert(whole, { model: 'deit_tiny_patch16_224' })).toThrow(
      /made\.pth: is not deit_tiny_patch16_224: patchSize should be 16, the checkpoint has 4/,
    );
    expect(() => convert(whole, { model: 'deit_huge' })).toThrow(/no model is named "deit_huge"/);
  });

  test('as many labels as classes', () => {
    expect(() => convert(checkpointOf(vitShapes()), { labels: ['a'] })).toThrow(
      /the model has 1000 classes, the labels file names 1/,
    );
    expect(convert(checkpointOf(vitShapes())).labels).toBe(imagenetLabels);
    expect(convert(checkpointOf(vitShapes(64, 2)), { labels: ['a', 'b'] }).labels).toEqual(['a', 'b']);
  });

  test.each<[string, unknown, RegExp]>([
    ['imgSize', 32, /imgSize must be \[height, width\], got the number 32/],
    ['imgSize', '32', /imgSize must be \[height, width\], got the text "32"/],
    ['imgSize', [32], /imgSize must be \[height, width\]/],
    ['imgSize', [32.5, 32], /imgSize must be a whole number/],
    ['imgSize', [2 ** 40, 32], /imgSize must be at most/],
    ['numClasses', -1, /numClasses must be a whole number of at least 0/],
    ['numClasses', '5', /numClasses must be a whole number of at least 0, got the text "5"/],
    ['numClasses', 2.5, /numClasses must be a whole number/],
    ['numHeads', '1', /numHeads must be a whole number of at least 1, got the text "1"/],
    ['numHeads', 2.5, /numHeads must be a whole number/],
    ['pool', 'max', /pool must be one of token, mean, token_mean, map/],
    ['activation', 'mish', /activation must be one of gelu/],
    ['layerNormEps', '1e-6', /layerNormEps must be above 0 and below 1, got the text "1e-6"/],
    ['model', 5, /model must be a text, got the number 5/],
    ['root', 5, /root must be a text/],
    ['labels', 'abc', /labels must be an array of texts, got the text "abc"/],
    ['labels', ['a', 1], /labels must be an array of texts/],
    ['pooler', 'yes', /pooler must be true or false/],
    ['facts', 5, /facts must be an object/],
    ['preprocessing', 'deit', /preprocessing must be an object/],
  ])('the option %s: %j', async (name, value, message) => {
    const given = { [name]: value };
    expect(() => convert(checkpointOf(vitShapes()), given)).toThrow(UserError);
    expect(() => convert(checkpointOf(vitShapes()), given)).toThrow(message);
    await expect(openModel('test/fixtures/folders/vit', given)).rejects.toThrow(message);
  });

  test.each([
    'int8',
    'uint8',
    'int32',
    'bool',
  ] as const)('whole numbers where weights should be: %s', (dtype) => {
    const whole = checkpointOf(vitShapes());
    const name = 'blocks.0.attn.qkv.weight';
    const tensors = new Map(whole.tensors).set(name, { ...whole.tensors.get(name)!, dtype });
    expect(() => convert({ ...whole, tensors })).toThrow(`${name} has whole numbers (${dtype})`);
  });

  test('values that are not finite', async () => {
    const { readWeight } = convert(checkpointOf(vitShapes(), Number.NaN));
    await expect(readWeight('norm.gamma')).rejects.toThrow(
      /made\.pth: norm\.weight has 64 of 64 values that are NaN or infinite/,
    );
  });
});
