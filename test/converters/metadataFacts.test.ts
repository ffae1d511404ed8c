import { describe, expect, test } from '@jest/globals';
import { deitModels } from '../../configs/models/deit.js';
import { huggingFaceFacts } from '../../converters/folders/huggingFace.js';
import type { Checkpoint, CheckpointMetadata } from '../../converters/formats/types.js';
import { mergeFacts } from '../../converters/mergeFacts.js';
import { exportedTexts } from '../../converters/metadata/ownExport.js';
import { parsePythonAssignments, UNREAD } from '../../converters/metadata/pythonLiterals.js';
import { metadataFacts } from '../../converters/metadataFacts.js';
import { storedFacts } from '../../converters/storedFacts.js';
import { preprocessingFor } from '../../src/image/index.js';

function checkpoint(metadata: CheckpointMetadata, names: string[] = [], name = 'model.pth'): Checkpoint {
  const read = async () => new Float32Array(0);
  const tensors = new Map(names.map((one) => [one, { name: one, dtype: 'float32', shape: [], read }]));
  return { name, format: 'zip', tensors, metadata };
}

const facts = (metadata: CheckpointMetadata, names?: string[], name?: string) =>
  metadataFacts(checkpoint(metadata, names, name));
const values = async (metadata: CheckpointMetadata, names?: string[]) => {
  const { config } = await facts(metadata, names);
  return Object.fromEntries(Object.entries(config).map(([field, fact]) => [field, fact.value]));
};

const channelsOf = (path: string, value: number) =>
  Object.fromEntries([0, 1, 2].map((i) => [`${path}.${i}`, value]));

describe("timm's train.py", () => {
  const args = {
    'args.model': 'vit_small_patch16_224',
    'args.img_size': null,
    'args.crop_pct': null,
    'args.mean': null,
    'args.std': null,
    'args.interpolation': '',
  };

  test('what was given, then what the table has for the model', async () => {
    const given = {
      ...args,
      'args.mean.0': 0.1,
      'args.mean.1': 0.2,
      'args.mean.2': 0.3,
      'args.crop_pct': 0.8,
    };
    const { 'args.mean': _, ...metadata } = given;
    const { preprocessing, library } = await facts(metadata);
    expect(library?.value).toBe('timm');
    // std of augreg's, 224 / 0.8.
    expect(preprocessing?.value).toMatchObject({
      mean: [0.1, 0.2, 0.3],
      std: [0.5, 0.5, 0.5],
      resize: { mode: 'short', size: 280 },
      crop: [224, 224],
    });
  });

  test('an image size of its own, and a bilinear resize', async () => {
    const { preprocessing } = await facts({ ...args, 'args.img_size': 96, 'args.interpolation': 'bilinear' });
    expect(preprocessing?.value).toMatchObject({
      interpolation: 'bilinear',
      resize: { mode: 'short', size: 106 },
      crop: [96, 96],
    });
  });

  test('a name of before timm 0.8', async () => {
    const { preprocessing, config, assumptions } = await facts({
      ...args,
      'args.model': 'vit_base_patch16_224_in21k',
      'args.img_size': 96,
    });
    expect(config.numHeads).toEqual({ value: 12, source: 'args.model' });
    expect(preprocessing?.value).toMatchObject({
      mean: [0.5, 0.5, 0.5],
      resize: { size: 106 },
      crop: [96, 96],
    });
    expect(assumptions).toBeUndefined();
  });

  test('of a model of one’s own what args do not tell is said', async () => {
    const own = { ...args, 'args.model': 'mine', 'args.img_size': 96, 'args.crop_pct': 0.8 };
    const { preprocessing, assumptions } = await facts(own);
    expect(preprocessing?.value).toMatchObject({ resize: { size: 120 } });
    expect(assumptions).toMatchObject([
      { field: 'preprocessing', value: "timm's defaults for mean, std, interpolation" },
    ]);
    const { 'args.mean': _, 'args.std': __, ...rest } = own;
    const channels = { ...channelsOf('args.mean', 0.4), ...channelsOf('args.std', 0.2) };
    const told = await facts({ ...rest, ...channels, 'args.interpolation': 'bilinear' });
    expect(told.assumptions).toBeUndefined();
    expect(told.preprocessing?.value).toMatchObject({ mean: [0.4, 0.4, 0.4], interpolation: 'bilinear' });
    expect(await facts({ ...args, 'args.model': 'mine' })).not.toHaveProperty('preprocessing');
  });

  test('heads, and the pooling that was chosen', async () => {
    expect(await values({ ...args, 'args.gp': 'avg' })).toMatchObject({
      numHeads: 6,
      pool: 'mean',
      embedDim: 384,
    });
    expect(await values(args)).not.toHaveProperty('pool');
    for (const pool of ['token', 'map'])
      expect(await values({ ...args, 'args.gp': pool })).toMatchObject({ pool });
    // As it stands, for convert to refuse.
    expect(await values({ ...args, 'args.gp': 'avgmax' })).toMatchObject({ pool: 'avgmax' });
  });

  test('model_kwargs, over what the table has for the name', async () => {
    const told = {
      ...args,
      'args.model_kwargs.num_heads': 12,
      'args.model_kwargs.act_layer': 'quick_gelu',
      'args.model_kwargs.global_pool': 'avg',
      'args.model_kwargs.img_size.0': 96,
      'args.model_kwargs.img_size.1': 64,
    };
    const { config, preprocessing } = await facts(told);
    expect(config.numHeads).toEqual({ value: 12, source: 'args.model_kwargs.num_heads' });
    expect(await values(told)).toMatchObject({ activation: 'quick_gelu', pool: 'mean', imgSize: [96, 64] });
    expect(preprocessing?.value.crop).toEqual([96, 64]);
    const square = await facts({ ...args, 'args.model_kwargs.img_size': 96 });
    expect(square.preprocessing?.value.crop).toEqual([96, 96]);
    await expect(facts({ ...args, 'args.model_kwargs.use_rot_pos_emb': true })).rejects.toThrow(
      /args\.model_kwargs: use_rot_pos_emb is true: this argument is not supported/,
    );
  });

  test('a model of another kind is refused by its name', async () => {
    await expect(facts({ 'args.model': 'swin_tiny_patch4_window7_224' })).rejects.toThrow(
      /args\.model is "swin_tiny_patch4_window7_224", which is of timm's swin_transformer\.py/,
    );
  });

  test('a deviation of 0 is refused, unless a preset is chosen', async () => {
    const { 'args.std': _, ...rest } = args;
    const metadata = {
      ...rest,
      'args.std.0': 0,
      'args.std.1': 0,
      'args.std.2': 0,
    };
    await expect(facts(metadata)).rejects.toThrow(/args: std is \[0,0,0\]/);
    const skipped = await metadataFacts(checkpoint(metadata), { skipPreprocessing: true });
    expect(skipped.preprocessing).toBeUndefined();
  });
});

test("a script of one's own with some of timm's arguments is not timm's: nothing tells how images are resized", async () => {
  const args = { 'args.model': 'vit_small_patch16_224', 'args.img_size': 224 };
  expect(await facts(args)).not.toHaveProperty('preprocessing');
  expect(await facts({ ...args, 'args.input_size': 224 })).not.toHaveProperty('preprocessing');
  const normalized = await facts({
    ...args,
    ...channelsOf('args.mean', 0.4),
    ...channelsOf('args.std', 0.2),
  });
  expect(normalized).not.toHaveProperty('preprocessing');
  expect(normalized.normalization?.value).toEqual({ mean: [0.4, 0.4, 0.4], std: [0.2, 0.2, 0.2] });
});

describe("torchvision's references", () => {
  const args = {
    'args.model': 'vit_b_16',
    'args.interpolation': 'bilinear',
    'args.val_resize_size': 232,
    'args.val_crop_size': 224,
  };

  test('the sizes and the filter of the evaluation', async () => {
    expect((await facts(args)).preprocessing?.value).toEqual({
      ...preprocessingFor('torchvision', [224, 224]),
      preset: 'args',
      resize: { mode: 'short', size: 232 },
    });
    const bicubic = await facts({ ...args, 'args.interpolation': 'bicubic', 'args.val_crop_size': 512 });
    expect(bicubic.preprocessing?.value).toMatchObject({ crop: [512, 512] });
    expect(bicubic.preprocessing?.value).not.toHaveProperty('interpolation');
  });

  test('a filter that is not known', async () => {
    await expect(facts({ ...args, 'args.interpolation': 'mitchell' })).rejects.toThrow(
      /args\.interpolation is "mitchell"; expected one of .* --preset/,
    );
  });

  test('of an older script nothing tells', async () => {
    expect(await facts({ 'args.model': 'vit_b_16', 'args.epochs': 90 })).not.toHaveProperty('preprocessing');
  });
});

describe("facebookresearch's scripts", () => {
  const tiny = { 'args.model': 'mine', 'args.nb_classes': 10 };

  test('images of up to 32 pixels are not resized', async () => {
    const { preprocessing, assumptions } = await facts({ ...tiny, 'args.input_size': 32 });
    expect(preprocessing?.value).toMatchObject({
      resize: { mode: 'squash', height: 32, width: 32 },
      crop: [32, 32],
    });
    expect(assumptions).toMatchObject([
      { field: 'preprocessing', why: expect.stringContaining('as they are') },
    ]);
    expect(await facts({ ...tiny, 'args.input_size': 33 })).not.toHaveProperty('assumptions');
  });

  const beit = { ...tiny, 'args.imagenet_default_mean_and_std': false, 'args.crop_pct': null };

  test('BEiT and ConvNeXt: mean and deviation by a flag, the crop ratio', async () => {
    const own = await facts({ ...beit, 'args.input_size': 224 });
    expect(own.preprocessing?.value).toMatchObject({
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
      resize: { mode: 'short', size: 256 },
    });
    const imagenet = { ...beit, 'args.imagenet_default_mean_and_std': true };
    const usual = await facts({ ...imagenet, 'args.input_size': 224 });
    expect(usual.preprocessing?.value).toEqual(preprocessingFor('deit', [224, 224]));
    const cropped = await facts({ ...imagenet, 'args.input_size': 224, 'args.crop_pct': 0.95 });
    expect(cropped.preprocessing?.value).toMatchObject({ resize: { mode: 'short', size: 235 } });
    expect(own).not.toHaveProperty('assumptions');
  });

  test('BEiT and ConvNeXt from 384 pixels on: the two differ, and that is said', async () => {
    const large = { ...beit, 'args.input_size': 384 };
    const scaled = await facts(large);
    expect(scaled.preprocessing?.value.resize).toEqual({ mode: 'short', size: 384 });
    expect(scaled.assumptions).toHaveLength(1);
    const squashed = await facts({ ...large, 'args.head_init_scale': 1 });
    expect(squashed.preprocessing?.value.resize).toEqual({ mode: 'squash', height: 384, width: 384 });
    expect(squashed.assumptions).toHaveLength(1);
  });

  test('a crop ratio of no use', async () => {
    await expect(facts({ ...beit, 'args.input_size': 224, 'args.crop_pct': 0 })).rejects.toThrow(
      /args\.crop_pct is 0; expected a ratio/,
    );
  });

  test('DeiT: the crop ratio', async () => {
    const args = { 'args.model': 'deit_small_patch16_224', 'args.nb_classes': 10, 'args.input_size': 224 };
    expect((await facts(args)).preprocessing?.value).toEqual(preprocessingFor('deit', [224, 224]));
    const whole = await facts({ ...args, 'args.eval_crop_ratio': 1 });
    expect(whole.preprocessing?.value.resize).toEqual({ mode: 'short', size: 224 });
    expect(whole.library?.value).toBe('facebook');
  });

  test('MAE: names without a size, and the pooling', async () => {
    const args = { 'args.model': 'vit_huge_patch14', 'args.nb_classes': 1000, 'args.input_size': 224 };
    const pooled = await facts({ ...args, 'args.global_pool': true });
    expect(pooled.library?.value).toBe('mae');
    expect(pooled.config).toMatchObject({ numHeads: { value: 16 }, pool: { value: 'mean' } });
    expect(pooled.preprocessing?.value).toMatchObject({ resize: { mode: 'short', size: 256 } });
    expect((await facts({ ...args, 'args.global_pool': false })).config.pool?.value).toBe('token');
  });

  test('the small models of DINO and of MoCo v3 have not the same heads', async () => {
    expect(await values({ 'args.arch': 'vit_small', 'args.patch_size': 16 })).toMatchObject({ numHeads: 6 });
    expect(await values({ arch: 'vit_small', best_acc1: 70 })).toMatchObject({ numHeads: 12 });
    expect(await values({ arch: 'vit_small' }, ['state_dict.module.base_encoder.cls_token'])).toMatchObject({
      numHeads: 12,
    });
    expect(await values({ arch: 'vit_small' })).toEqual({});
  });
});

describe('PyTorch Lightning', () => {
  test('a name, heads, mean and deviation', async () => {
    const named = await facts({ 'hyper_parameters.model_name': 'vit_small_patch16_224' });
    expect(named.config.numHeads).toEqual({ value: 6, source: 'hyper_parameters.model_name' });
    expect(named.preprocessing).toBeUndefined();
    const own = await facts({
      'hyper_parameters.model_name': 'mine',
      'hyper_parameters.num_heads': 12,
      ...channelsOf('hyper_parameters.mean', 0.1),
      ...channelsOf('hyper_parameters.std', 0.2),
    });
    expect(own.config.numHeads).toEqual({ value: 12, source: 'hyper_parameters.num_heads' });
    expect(own.normalization?.value).toEqual({ mean: [0.1, 0.1, 0.1], std: [0.2, 0.2, 0.2] });
  });
});

describe('parameters that scripts keep beside the weights', () => {
  test.each<[string, CheckpointMetadata, string]>([
    ['in a configuration', { 'config.num_heads': 6 }, 'config.num_heads'],
    ['by transformers’ name', { 'config.num_attention_heads': 6 }, 'config.num_attention_heads'],
    ['in a part of it', { 'hyper_parameters.model.num_heads': 6 }, 'hyper_parameters.model.num_heads'],
    ['beside a depth', { 'model_args.heads': 6, 'model_args.depth': 12 }, 'model_args.heads'],
    ['as a text of safetensors', { num_heads: '6' }, 'num_heads'],
    [
      'in a JSON text of safetensors',
      { args: '{"model_kwargs": {"num_heads": 6}}' },
      'args.model_kwargs.num_heads',
    ],
    [
      'beside a decoder',
      { 'config.encoder.num_heads': 6, 'config.decoder.num_heads': 8 },
      'config.encoder.num_heads',
    ],
  ])('heads %s', async (_, metadata, source) => {
    expect((await facts(metadata)).config.numHeads).toEqual({ value: 6, source });
    expect(storedFacts(checkpoint(metadata)).config.numHeads).toEqual({ value: 6, source });
  });

  test('a number goes before what a name tells', async () => {
    const named = { arch: 'vit_small_patch16_224', 'config.num_heads': 12 };
    expect((await facts(named)).config.numHeads?.value).toBe(12);
  });

  test('what stands there by itself goes before a JSON text', async () => {
    const both = { config: '{"num_heads": 6}', 'config.num_heads': '12' };
    expect(await values(both)).toEqual({ numHeads: 12 });
  });

  test('epsilon and activation', async () => {
    const metadata = { 'config.layer_norm_eps': 1e-3, 'config.hidden_act': 'gelu_new' };
    expect(await values(metadata)).toEqual({ layerNormEps: 1e-3, activation: 'gelu_tanh' });
    for (const [told, activation] of [
      ['relu', 'relu'],
      ['gelu_tanh', 'gelu_tanh'],
      ['torch.nn.modules.activation.GELU', 'gelu'],
      ['mish', 'mish'], // as it stands, for convert to refuse
    ])
      expect(await values({ 'hyper_parameters.act_layer': told! })).toEqual({ activation });
  });

  test.each<[string, CheckpointMetadata]>([
    ['several numbers', { 'config.encoder.num_heads': 6, 'config.model.num_heads': 8 }],
    ['outputs', { 'args.heads': 2 }],
    ['a flag', { num_heads: true }],
    ['no whole number', { num_heads: 'six' }],
    ['nothing above 0', { 'args.num_heads': 0 }],
    ['of another part', { 'config.text_decoder.num_heads': 6, 'optimizer.num_heads': 6 }],
    ['another text', { config: '{"num_heads": 6' }],
  ])('believes none of %s', async (_, metadata) => {
    expect(await values(metadata)).toEqual({});
  });
});

test('the non-linearity of a pooler is told with where it stands', () => {
  const of = (fields: object) => huggingFaceFacts({ model_type: 'vit', ...fields }, 'config.json').facts;
  expect(of({ pooler_act: 'gelu' }).poolerActivation).toEqual({
    value: 'gelu',
    source: 'config.json: pooler_act',
  });
  expect(of({})).not.toHaveProperty('poolerActivation');
});

describe("mmengine's configuration", () => {
  const cfg = (backbone: string, more = '') =>
    `model = dict(\n    type='ImageClassifier',\n    backbone=dict(${backbone}),\n    head=dict(num_classes=1000))\n${more}`;
  const pipeline = (...steps: string[]) =>
    `test_pipeline = [\n    dict(type='LoadImageFromFile'),\n    ${steps.join(',\n    ')},\n    dict(type='PackInputs')\n]\n` +
    'data_preprocessor = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)\n';
  const layers = (depth: number) =>
    Array.from({ length: depth }, (_, i) => `state_dict.backbone.layers.${i}.ln1.weight`);

  test('heads, width and epsilon of the arch', async () => {
    const text = cfg(
      "type='VisionTransformer', arch='small', img_size=(384, 224), patch_size=16, qkv_bias=False",
    );
    expect(await values({ 'meta.cfg': text }, layers(8))).toEqual({
      embedDim: 768,
      depth: 8,
      numHeads: 8,
      mlpRatio: 3,
      imgSize: [384, 224],
      patchSize: 16,
      pool: 'token',
      qkvBias: false,
      layerNormEps: 1e-6,
      activation: 'gelu',
    });
  });

  test('an arch of its own, and averages', async () => {
    const arch = 'arch=dict(embed_dims=192, num_layers=4, num_heads=12, feedforward_channels=384)';
    const text = cfg(
      `type='VisionTransformer', ${arch}, out_type='avg_featmap', norm_cfg=dict(type='LN', eps=1e-5)`,
    );
    expect(await values({ 'meta.cfg': text }, layers(4))).toMatchObject({
      numHeads: 12,
      mlpRatio: 2,
      pool: 'mean',
      layerNormEps: 1e-5,
    });
  });

  test('heads for labels that do not exclude each other are said: they predict by sigmoids', async () => {
    const of = async (head: string) => {
      const text = cfg("type='VisionTransformer'").replace('head=dict(', `head=dict(type='${head}', `);
      return (await facts({ 'meta.cfg': text }, layers(12))).assumptions;
    };
    for (const head of ['MultiLabelLinearClsHead', 'mmpretrain.models.MultiLabelClsHead', 'CSRAClsHead'])
      expect(await of(head)).toMatchObject([
        {
          field: 'probabilities',
          why: expect.stringContaining(`"${head}": its classes do not exclude each other`),
        },
      ]);
    for (const head of ['VisionTransformerClsHead', 'LinearClsHead']) expect(await of(head)).toBeUndefined();
  });

  test('settings of the blocks, one for all of them or a list of equal ones', async () => {
    const one = cfg(
      "type='VisionTransformer', patch_cfg=dict(bias=False), layer_cfgs=dict(act_cfg=dict(type='QuickGELU'))",
    );
    expect(await values({ 'meta.cfg': one }, layers(12))).toMatchObject({ activation: 'quick_gelu' });
    const list = cfg(
      "type='VisionTransformer', layer_cfgs=[dict(act_cfg=dict(type='ReLU')), dict(act_cfg=dict(type='ReLU'))]",
    );
    expect(await values({ 'meta.cfg': list }, layers(12))).toMatchObject({ activation: 'relu' });
  });

  test('of a configuration with other blocks than the tensors no heads are believed', async () => {
    const text = cfg("type='VisionTransformer', arch='b'");
    expect(await values({ 'meta.cfg': text }, layers(8))).not.toHaveProperty('numHeads');
    expect(
      await values({ 'meta.cfg': text }, [...layers(12), 'state_dict.backbone.ln2.weight']),
    ).not.toHaveProperty('pool');
  });

  test('the test pipeline and data_preprocessor', async () => {
    const steps = [
      "dict(type='ResizeEdge', scale=256, edge='short', backend='pillow', interpolation='bicubic')",
      "dict(type='CenterCrop', crop_size=224)",
    ];
    const text = cfg("type='VisionTransformer'", pipeline(...steps));
    const { preprocessing } = await facts({ 'meta.cfg': text }, layers(12));
    expect(preprocessing).toEqual({
      value: { ...preprocessingFor('deit', [224, 224]), preset: 'meta.cfg' },
      source: 'meta.cfg: test_pipeline',
    });
    const squash = pipeline(
      "dict(type='Resize', scale=(96, 64), backend='pillow', interpolation='bilinear')",
    );
    const squashed = await facts({ 'meta.cfg': cfg("type='VisionTransformer'", squash) }, layers(12));
    expect(squashed.preprocessing?.value).toMatchObject({
      resize: { mode: 'squash', height: 64, width: 96 },
      interpolation: 'bilinear',
      crop: [64, 96],
    });
  });

  test('mean and deviation alone', async () => {
    const text = cfg("type='VisionTransformer'", 'data_preprocessor = dict(mean=[127.5] , std=[127.5])\n');
    const { preprocessing, normalization } = await facts({ 'meta.cfg': text }, layers(12));
    expect(preprocessing).toBeUndefined();
    expect(normalization?.value).toEqual({ mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] });
  });

  test.each<[string, string, RegExp]>([
    ['a backbone', cfg("type='BEiTViT'"), /meta\.cfg: its backbone is "BEiTViT", no ViT/],
    ['an arch', cfg("type='VisionTransformer', arch='x'"), /backbone\.arch is "x", which is not known/],
    ['an output', cfg("type='VisionTransformer', out_type='x'"), /out_type is "x"; expected/],
    [
      'an activation',
      cfg("type='VisionTransformer', layer_cfgs=dict(act_cfg=dict(type='Mish'))"),
      /act_cfg is "Mish"/,
    ],
    [
      'an activation of each block',
      cfg("type='VisionTransformer', layer_cfgs=[dict(act_cfg=dict(type='ReLU')), dict()]"),
      /layer_cfgs is .*; expected a dict, or a list of equal ones/,
    ],
    [
      'an expression for the blocks',
      cfg("type='VisionTransformer', layer_cfgs=[dict(act_cfg='ReLU')] * 12"),
      /layer_cfgs is an expression/,
    ],
    [
      'another epsilon in the blocks',
      cfg("type='VisionTransformer', layer_cfgs=dict(norm_cfg=dict(type='LN', eps=1e-5))"),
      /layer_cfgs\.norm_cfg has another epsilon/,
    ],
    [
      'padded patches (ViTPose)',
      cfg("type='VisionTransformer', patch_cfg=dict(padding=2)"),
      /patch_cfg is \{"padding":2\}; patches with padding/,
    ],
    [
      'overlapping patches',
      cfg("type='VisionTransformer', patch_cfg=dict(stride=12)"),
      /patches with padding, dilation or a stride/,
    ],
    [
      'a hidden layer without tanh',
      cfg("type='VisionTransformer'").replace(
        'num_classes=1000',
        "num_classes=9, hidden_dim=8, act_cfg=dict(type='ReLU')",
      ),
      /model\.head\.act_cfg is "ReLU"/,
    ],
    [
      'OpenCV',
      cfg("type='VisionTransformer'", pipeline("dict(type='Resize', scale=224)")),
      /Resize by "cv2" gives other pixels/,
    ],
    [
      'a transform',
      cfg("type='VisionTransformer'", pipeline("dict(type='Pad', size=1)")),
      /the transform "Pad" is not supported; or choose another preprocessing by --preset/,
    ],
  ])('refuses %s', async (_, text, message) => {
    await expect(facts({ 'meta.cfg': text }, layers(12))).rejects.toThrow(message);
  });

  test('names of classes', async () => {
    const { labels } = await facts({
      'meta.dataset_meta.classes.0': 'cat',
      'meta.dataset_meta.classes.1': 'dog',
    });
    expect(labels).toEqual({ value: ['cat', 'dog'], source: 'meta.dataset_meta.classes' });
  });
});

describe('names of classes that scripts keep', () => {
  const labels = async (metadata: Record<string, string | number>) => (await facts(metadata)).labels;

  test.each<[string, Record<string, string | number>]>([
    ['classes', { 'classes.0': 'cat', 'classes.1': 'dog' }],
    [
      'hyper_parameters.class_names',
      { 'hyper_parameters.class_names.0': 'cat', 'hyper_parameters.class_names.1': 'dog' },
    ],
    ['idx_to_class', { 'idx_to_class.1': 'dog', 'idx_to_class.0': 'cat' }],
    ['class_to_idx', { 'class_to_idx.dog': 1, 'class_to_idx.cat': 0 }],
    ['id2label', { id2label: '{"1": "dog", "0": "cat"}' }],
    ['class_names', { class_names: '["cat", "dog"]' }],
    ['label2id', { label2id: '{"dog": 1, "cat": 0}' }],
  ])('%s', async (source, metadata) => {
    expect(await labels(metadata)).toEqual({ value: ['cat', 'dog'], source });
  });

  test('a name may have a dot', async () => {
    const told = await labels({ 'class_to_idx.St. Bernard': 0, 'class_to_idx.cat': 1 });
    expect(told?.value).toEqual(['St. Bernard', 'cat']);
  });

  test.each<[string, Record<string, string | number>]>([
    ['numbers', { 'classes.0': 3, 'classes.1': 4 }],
    ['one text', { classes: 'imagenet' }],
    ['indices from 1', { 'class_to_idx.cat': 1, 'class_to_idx.dog': 2 }],
    ['two names of one index', { 'class_to_idx.cat': 0, 'class_to_idx.dog': 0 }],
    ['a damaged text', { class_names: '["cat", "dog"' }],
  ])('none of %s', async (_, metadata) => {
    expect(await labels(metadata)).toBeUndefined();
  });
});

describe('parsePythonAssignments', () => {
  test('reads literals and runs nothing', () => {
    const text = `
import os  # not read
a = dict(x=[1, -2.5, 1e-3, (3, ), (4)], y={'k': None, 2: True}, z='it''s' "\\n")
b = os.path.join('a', 'b')
c = 1 if a else 2
d = dict(
    # a comment, with 'quotes' and )
    inner=dict(e=lambda x: x, f=r'\\d'),
    last={1, 2})
a2 = '''two
lines'''
`;
    expect(parsePythonAssignments(text)).toEqual({
      a: { x: [1, -2.5, 1e-3, [3], 4], y: { k: null, 2: true }, z: 'its\n' },
      b: UNREAD,
      c: UNREAD,
      d: { inner: { e: UNREAD, f: '\\d' }, last: UNREAD },
      a2: 'two\nlines',
    });
  });

  test.each([
    'a = (',
    'a = dict(b=',
    "a = '",
    'a = [[[[',
    '= 3',
    'a = {1:',
    '))))',
    `a = ${'['.repeat(10_000)}`,
  ])('ends on %.20s', (text) => {
    expect(() => parsePythonAssignments(text)).not.toThrow();
  });

  test('reads configurations of 20,000 parts, and nothing of a text beyond 500,000 characters', () => {
    const text = (parts: number) => `a = [${"dict(x='y', z=(1, 2)), ".repeat(parts)}]`;
    expect(parsePythonAssignments(text(20_000)).a).toHaveLength(20_000);
    expect(parsePythonAssignments(text(25_000))).toEqual({});
  });
});

describe('own exports and published files', () => {
  test('labels and preprocessing come back', async () => {
    const preprocessing = { ...preprocessingFor('augreg', [32, 32]), preset: 'mine' };
    const back = await facts({ ...exportedTexts({ preprocessing }), labels: '["a","b"]' });
    expect(back.preprocessing?.value).toEqual(preprocessing);
    expect(back.labels?.value).toEqual(['a', 'b']);
    expect((await facts({ labels: 'of another program' })).labels).toBeUndefined();
    await expect(facts({ 'deit.preprocessing': '{' })).rejects.toThrow(
      /metadata is damaged; export the model again/,
    );
    await expect(facts({ 'deit.preprocessing': '{"mean":0}' })).rejects.toThrow(/preprocessing/);
  });

  test("the name of an authors' file tells its preprocessing and classes", async () => {
    for (const { checkpoint: url, preset, config } of deitModels) {
      if (!url) continue;
      const told = await facts({}, [], url.split('/').at(-1));
      expect(told.preprocessing?.value).toEqual(preprocessingFor(preset, config.imgSize));
      expect(told.labels?.value).toHaveLength(1000);
    }
    const tagged = await facts({}, [], 'x/vit_tiny_patch16_224.augreg_in21k_ft_in1k.safetensors');
    expect(tagged.preprocessing?.value.mean).toEqual([0.5, 0.5, 0.5]);
    // Without a tag it could be anybody's.
    expect((await facts({}, [], 'vit_tiny_patch16_224.pth')).preprocessing).toBeUndefined();
    const torchvision = await facts({}, [], 'vit_l_16-852ce7e3.pth');
    expect(torchvision.preprocessing?.value).toMatchObject({
      interpolation: 'bilinear',
      resize: { size: 242 },
    });
  });

  test('what an earlier source tells, a later one does not change', () => {
    const one = {
      config: { numHeads: { value: 1, source: 'a' } },
      library: { value: 'timm' as const, source: 'a' },
    };
    const two = {
      config: { numHeads: { value: 2, source: 'b' }, depth: { value: 3, source: 'b' } },
      library: undefined,
      name: { value: 'x', source: 'b' },
    };
    expect(mergeFacts(one, undefined, two)).toEqual({
      config: { numHeads: { value: 1, source: 'a' }, depth: { value: 3, source: 'b' } },
      library: { value: 'timm', source: 'a' },
      name: { value: 'x', source: 'b' },
    });
  });
});
