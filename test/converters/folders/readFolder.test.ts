import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-wasm';
import { convertRead } from '../../../converters/convertWithFacts.js';
import { readFolder } from '../../../converters/folders/readFolder.js';
import { bytesSource } from '../../../converters/formats/index.js';
import type { FolderFiles } from '../../../src/hub/folderFiles.js';
import { preprocess } from '../../../src/image/preprocess.js';
import { loadFrom } from '../../../src/models/load.js';

const FOLDERS = 'test/fixtures/folders';

interface Expected {
  side: number;
  output: number[];
  pixels?: number[];
  heads?: number;
  data?: {
    crop_pct: number;
    interpolation: string;
    crop_mode: string;
    mean: number[];
    std: number[];
    input_size: number[];
  };
}
const expected = JSON.parse(readFileSync(`${FOLDERS}/expected.json`, 'utf8')) as Record<string, Expected>;

/** A folder in memory: the fixture's files, some of them replaced. */
function folder(name: string, replaced: Record<string, string | undefined> = {}): FolderFiles {
  const names = [...new Set([...readdirSync(`${FOLDERS}/${name}`), ...Object.keys(replaced)])];
  const isThere = (path: string) =>
    names.includes(path) && !(path in replaced && replaced[path] === undefined);
  return {
    name,
    notes: [],
    list: async () => names.filter(isThere).sort(),
    readText: async (path) => {
      if (!isThere(path)) return undefined;
      return replaced[path] ?? readFileSync(`${FOLDERS}/${name}/${path}`, 'utf8');
    },
    open: async (path) => bytesSource(readFileSync(`${FOLDERS}/${name}/${path}`)),
    close: async () => {},
  };
}

function changed(name: string, file: string, fields: Record<string, unknown>): FolderFiles {
  const json = JSON.parse(readFileSync(`${FOLDERS}/${name}/${file}`, 'utf8')) as Record<string, unknown>;
  return folder(name, { [file]: JSON.stringify({ ...json, ...fields }) });
}

/** The formulas of make_folders.py. */
function example(side: number): tf.Tensor4D {
  const values = new Float32Array(side * side * 3);
  for (let i = 0; i < values.length; i++) {
    const [y, x, c] = [Math.floor(i / 3 / side), Math.floor(i / 3) % side, i % 3];
    values[i] = Math.sin(c + 0.7 * y + 1.3 * x);
  }
  return tf.tensor4d(values, [1, side, side, 3]);
}

function makeImage() {
  const [width, height] = [23, 17];
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) {
    const [y, x, c] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3];
    data[i] = (37 * x + 59 * y + 83 * c + x * y) % 256;
  }
  return { data, width, height };
}

async function open(files: FolderFiles) {
  const read = await readFolder(files);
  const conversion = convertRead({ ...read, assumptions: [] });
  return { ...conversion, before: read.assumptions };
}

const largestOff = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  expect(a.length).toBe(b.length);
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
};

describe('what the library computes', () => {
  test.each(Object.keys(expected))('%s', async (name) => {
    await tf.setBackend('wasm');
    const { side, output } = expected[name]!;
    const opened = await open(folder(name));
    expect(opened.config.imgSize).toEqual([side, side]);
    const model = await loadFrom(opened, { backend: 'wasm' });
    const y = model.predict(example(side)).dataSync();
    model.dispose();
    const largest = Math.max(...output.map(Math.abs));
    expect(largestOff(y, output) / largest).toBeLessThan(1e-5);
  });
});

describe('pixels of the image processor', () => {
  const withPixels = Object.keys(expected).filter((name) => expected[name]!.pixels);
  test.each(withPixels)('%s', async (name) => {
    const { preprocessing, assumptions } = await open(folder(name));
    expect(assumptions.filter(({ field }) => field === 'preprocessing')).toEqual([]);
    const pixels = preprocess(makeImage(), preprocessing);
    const [height, width] = preprocessing.crop;
    const planes = Float32Array.from(expected[name]!.pixels!);
    const interleaved = pixels.map((_, i) => planes[(i % 3) * height * width + Math.floor(i / 3)]!);
    expect(largestOff(pixels, interleaved)).toBeLessThan(1e-6);
  });
});

describe('open_clip_config.json', () => {
  const openClip = (vision: Record<string, unknown>, preprocess: Record<string, unknown> = {}) =>
    folder('timm', {
      'config.json': undefined,
      'open_clip_config.json': JSON.stringify({
        model_cfg: { embed_dim: 64, vision_cfg: { image_size: 32, ...vision } },
        preprocess_cfg: preprocess,
      }),
    });

  test('tells the trunk by its name in timm, its pooling and how images are prepared', async () => {
    const { facts } = await readFolder(
      openClip(
        { timm_model_name: 'vit_so400m_patch16_siglip_gap_256', timm_pool: 'map' },
        { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], resize_mode: 'squash' },
      ),
    );
    expect(facts.library?.value).toBe('timm');
    expect(facts.config).toMatchObject({
      embedDim: { value: 1152 },
      numHeads: { value: 16 },
      activation: { value: 'gelu_tanh' },
      pool: { value: 'map', source: 'open_clip_config.json: model_cfg: vision_cfg: timm_pool' },
      imgSize: { value: [32, 32] },
    });
    expect(facts.preprocessing?.value).toMatchObject({
      resize: { mode: 'squash', height: 32, width: 32 },
      crop: [32, 32],
      mean: [0.5, 0.5, 0.5],
    });
  });

  test('has open_clip’s defaults, and tells nothing of a tower of its own', async () => {
    const { facts } = await readFolder(openClip({ timm_model_name: 'test_vit3' }));
    expect(facts.config).toMatchObject({ pool: { value: 'mean' }, poolPrefix: { value: true } });
    expect(facts.preprocessing?.value).toMatchObject({
      resize: { mode: 'short', size: 32 },
      mean: [0.48145466, 0.4578275, 0.40821073],
    });
    expect((await readFolder(openClip({ layers: 12, width: 768 }))).facts.config).toEqual({});
  });

  test.each<[Record<string, unknown>, Record<string, unknown>, RegExp]>([
    [{ timm_model_name: 'vit_x' }, {}, /timm_model_name is "vit_x", which is not known/],
    [{ timm_model_name: 'eva02_base_patch16_clip_224' }, {}, /eva\.py, no ViT or DeiT/],
    [
      { timm_model_name: 'test_vit', timm_pool: 'rot_attn' },
      {},
      /timm_pool is "rot_attn"; expected one of avg/,
    ],
    [{ timm_model_name: 'test_vit' }, { resize_mode: 'longest' }, /resize_mode is "longest".*--preset/],
  ])('refuses %j with %j', async (vision, preprocess, message) => {
    await expect(readFolder(openClip(vision, preprocess))).rejects.toThrow(message);
  });
});

describe('config.json of transformers', () => {
  test('tells heads, epsilon, activation and labels, so that nothing is assumed', async () => {
    const { config, labels, assumptions } = await open(folder('vit_gelu_new'));
    expect(config).toMatchObject({
      numHeads: 4,
      layerNormEps: 1e-12,
      activation: 'gelu_tanh',
      qkvBias: false,
    });
    expect(labels).toEqual(['cat', 'dog', 'hen']);
    expect(assumptions).toEqual([]);
  });

  test('a classifier that is told and is not in the file is said', async () => {
    const classifier = { architectures: ['ViTForImageClassification'], id2label: { 0: 'cat', 1: 'dog' } };
    const { config, assumptions } = await open(changed('vit_model', 'config.json', classifier));
    expect(config.numClasses).toBe(0);
    expect(assumptions).toContainEqual(
      expect.objectContaining({ field: 'numClasses', why: expect.stringContaining('the file has no head') }),
    );
    const { assumptions: told } = await open(folder('vit_model'));
    expect(told.map(({ field }) => field)).not.toContain('numClasses');
  });

  test('an empty list of architectures tells nothing', async () => {
    const { facts } = await readFolder(changed('vit', 'config.json', { architectures: [] }));
    expect(facts.name?.source).toBe('config.json: model_type');
  });

  test('facts say in which field they stand', async () => {
    const { facts } = await readFolder(folder('vit'));
    expect(facts.config.numHeads).toEqual({ value: 4, source: 'config.json: num_attention_heads' });
    expect(facts.labels?.source).toBe('config.json: id2label');
    expect(facts.name).toEqual({ value: 'ViTForImageClassification', source: 'config.json: architectures' });
  });

  test('fields that are left out have the defaults of the configuration class', async () => {
    const { facts } = await readFolder(
      folder('vit', {
        'config.json': JSON.stringify({ model_type: 'clip', vision_config: { hidden_size: 768 } }),
      }),
    );
    expect(facts.config).toMatchObject({
      numHeads: { value: 12 },
      activation: { value: 'quick_gelu' },
      layerNormEps: { value: 1e-5 },
      patchSize: { value: 32 },
      imgSize: { value: [224, 224] },
    });
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      'an activation',
      { hidden_act: 'gelu_10' },
      /config\.json: hidden_act is "gelu_10"; expected one of gelu,/,
    ],
    ['heads', { num_attention_heads: 3 }, /num_attention_heads is 3, but hidden_size 16 does not divide/],
    ['an epsilon', { layer_norm_eps: 0 }, /layer_norm_eps is 0; expected a number above 0/],
    ['a class', { architectures: ['ViTForDepth'] }, /architectures is \["ViTForDepth"\]; of vit those/],
    ['a gap', { id2label: { 0: 'cat', 2: 'dog' } }, /id2label has 2 names, but none for class 1/],
    ['quantised weights', { quantization_config: { bits: 4 } }, /quantization_config is set/],
    ['pruned heads', { pruned_heads: { 0: [1] } }, /pruned_heads is set/],
    ['a width', { hidden_size: '16' }, /hidden_size is "16"; expected a whole number/],
    ['other tensors', { hidden_size: 32 }, /embedDim is 16 by the tensors, 32 by config\.json: hidden_size/],
    ['a kind of model', { model_type: 'dinov3_vit' }, /"dinov3_vit" \(DINOv3: rotary position embeddings\)/],
  ])('refuses %s', async (_, fields, message) => {
    await expect(open(changed('vit', 'config.json', fields))).rejects.toThrow(message);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    ['a patch', { patch_size: 2 }, /patchSize is 4 by the tensors, 2 by config\.json: patch_size/],
    ['a hidden width', { intermediate_size: 17 }, /mlpRatio is .* by the tensors, .* intermediate_size/],
  ])('%s of another model is refused', async (_, fields, message) => {
    await expect(open(changed('vit', 'config.json', fields))).rejects.toThrow(message);
  });

  test.each<[string, string, Record<string, unknown>, string]>([
    [
      'fewer names',
      'labels',
      { id2label: { 0: 'cat', 1: 'dog' } },
      'id2label names 2 classes, the model has 3',
    ],
    ['more names', 'labels', { id2label: { 0: 'a', 1: 'b', 2: 'c', 3: 'd' } }, 'id2label names 4 classes'],
    ['a number of classes', 'numClasses', { id2label: undefined, num_labels: 9 }, 'num_labels says 9'],
  ])('%s that the weights contradict is said', async (_, field, fields, why) => {
    const files = changed('vit', 'config.json', { ...fields });
    const { config, labels, assumptions, before } = await open(files);
    expect(config).toMatchObject({ imgSize: [8, 8], numClasses: 3 });
    expect([...assumptions, ...before]).toContainEqual(
      expect.objectContaining({ field, why: expect.stringContaining(why) }),
    );
    if (field === 'labels') expect(labels).toBeUndefined();
  });

  test('an adapter beside the weights is said', async () => {
    const { before } = await open(folder('vit', { 'adapter_config.json': '{}' }));
    expect(before).toMatchObject([{ field: 'adapter', why: expect.stringContaining('adapter_config.json') }]);
  });

  test('a size that the weights contradict is said', async () => {
    const files = changed('vit', 'config.json', { image_size: 16 });
    const sizes = ({ assumptions }: Awaited<ReturnType<typeof open>>) =>
      assumptions.filter(({ field }) => field === 'imgSize').map(({ value }) => value);
    expect(sizes(await open(files))).toEqual(['16×16']);
    const unprepared = {
      ...files,
      readText: async (path: string) => (path === 'config.json' ? files.readText(path) : undefined),
    };
    expect(sizes(await open(unprepared))).toEqual(['8×8']);
  });

  test('without a class that is named, names of as many classes as the head has are its own', async () => {
    const { labels } = await open(changed('vit', 'config.json', { architectures: undefined }));
    expect(labels).toEqual(['cat', 'dog', 'hen']);
  });

  test('models of other kinds are refused by their own names', async () => {
    await expect(readFolder(folder('beit'))).rejects.toThrow(/"beit" \(BEiT: relative position biases/);
    await expect(readFolder(folder('swin'))).rejects.toThrow(/"swin" \(Swin: shifted windows\)/);
  });

  test('labels that do not exclude each other, and masks, are said', async () => {
    const several = await open(changed('vit', 'config.json', { problem_type: 'multi_label_classification' }));
    expect(several.before).toMatchObject([{ field: 'probabilities' }]);
    const numbers = await open(changed('vit', 'config.json', { problem_type: 'regression' }));
    expect(numbers.before).toMatchObject([
      { field: 'probabilities', why: expect.stringContaining('numbers') },
    ]);
    const masked = await open(folder('mae'));
    expect(masked.before).toMatchObject([{ field: 'masking', why: expect.stringContaining('0.5') }]);
  });
});

describe('config.json of a class of one’s own, as PyTorchModelHubMixin writes it', () => {
  test('its number of heads is read', async () => {
    const own = JSON.stringify({ vit: { num_heads: 4, hidden_act: 'relu' }, lr: 1e-3 });
    const { facts } = await readFolder(folder('vit', { 'config.json': own }));
    expect(facts.config).toEqual({
      numHeads: { value: 4, source: 'config.json: vit.num_heads' },
      activation: { value: 'relu', source: 'config.json: vit.hidden_act' },
    });
  });

  test('what says nothing of a model is refused', async () => {
    await expect(readFolder(folder('vit', { 'config.json': '{"lr": 0.1}' }))).rejects.toThrow(
      /neither model_type \(transformers\) nor architecture \(timm\) nor a number of heads, .*\["lr"\]/,
    );
  });
});

describe('preprocessor_config.json', () => {
  test('of another size than the model: scaled, and said', async () => {
    const { config, preprocessing, before } = await open(
      changed('vit', 'preprocessor_config.json', { size: 16 }),
    );
    expect(config.imgSize).toEqual([8, 8]);
    expect(preprocessing).toMatchObject({ resize: { mode: 'squash', height: 8, width: 8 }, crop: [8, 8] });
    expect(before).toMatchObject([{ field: 'preprocessing', why: expect.stringContaining('16×16') }]);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      'a processor',
      { image_processor_type: 'LevitImageProcessor' },
      /image_processor_type is "LevitImageProcessor"/,
    ],
    ['a filter', { resample: 9 }, /preprocessor_config\.json: resample is 9/],
    ['a deviation', { image_std: 0 }, /image_std is 0/],
    ['a size', { size: { longest: 8 } }, /preprocessor_config\.json: size is/],
  ])('refuses %s, unless a preset is chosen', async (_, fields, message) => {
    const files = () => changed('vit', 'preprocessor_config.json', fields);
    await expect(readFolder(files())).rejects.toThrow(message);
    const { facts } = await readFolder(files(), { skipPreprocessing: true });
    expect(facts.preprocessing).toBeUndefined();
  });

  test('missing: what most models of the library have is an assumption that names others', async () => {
    const { preprocessing, assumptions } = await open(
      folder('vit', { 'preprocessor_config.json': undefined }),
    );
    expect(preprocessing.preset).toBe('huggingface-vit');
    expect(assumptions).toMatchObject([
      { field: 'preprocessing', value: 'preset huggingface-vit', why: expect.stringContaining('--preset') },
    ]);
  });

  test('rescale_factor is honoured', async () => {
    const { facts } = await readFolder(
      changed('vit', 'preprocessor_config.json', { rescale_factor: 1 / 127.5 }),
    );
    expect(facts.preprocessing?.value.rescaleFactor).toBe(1 / 127.5);
  });
});

describe('config.json of timm', () => {
  test('heads, preprocessing and labels are those of timm', async () => {
    for (const name of ['timm', 'timm_gap', 'timm_siglip', 'timm_avg']) {
      const { config, preprocessing, assumptions } = await open(folder(name));
      const { heads, data } = expected[name]!;
      expect(config.numHeads).toBe(heads);
      expect(preprocessing).toMatchObject({ mean: data!.mean, std: data!.std });
      const side = Math.floor(config.imgSize[0] / data!.crop_pct);
      const squash = { mode: 'squash', height: side, width: side };
      expect(preprocessing.resize).toEqual(
        data!.crop_mode === 'squash' ? squash : { mode: 'short', size: side },
      );
      expect(preprocessing.interpolation ?? 'bicubic').toBe(data!.interpolation);
      expect(assumptions).toEqual([]);
    }
    const { labels } = await open(folder('timm'));
    expect(labels).toEqual(['tench', 'goldfish', 'shark']);
  });

  test('without pretrained_cfg the table of timm is an assumption', async () => {
    const { facts, assumptions } = await readFolder(
      changed('timm', 'config.json', { pretrained_cfg: undefined }),
    );
    expect(facts.preprocessing?.value).toMatchObject({ preset: 'test_vit.r160_in1k', mean: [0.5, 0.5, 0.5] });
    expect(assumptions).toMatchObject([{ field: 'preprocessing', value: 'test_vit.r160_in1k' }]);
  });

  test('arguments that are as timm has them by default', async () => {
    const given = { pos_embed: 'learn', proj_bias: true, scale_attn_norm: false, dynamic_img_pad: false };
    const config = JSON.parse(readFileSync(`${FOLDERS}/timm_avg/config.json`, 'utf8'));
    const model_args = { ...config.model_args, ...given };
    const { facts } = await readFolder(changed('timm_avg', 'config.json', { model_args }));
    expect(facts).toEqual((await readFolder(folder('timm_avg'))).facts);
    await expect(
      readFolder(changed('timm_avg', 'config.json', { model_args: { ...given, proj_bias: false } })),
    ).rejects.toThrow(/model_args: proj_bias is false: this argument is not supported/);
  });

  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      'Swin',
      { architecture: 'swin_tiny_patch4_window7_224' },
      /"swin_tiny_patch4_window7_224", which is of timm's swin_transformer\.py/,
    ],
    ['rotary embeddings', { architecture: 'vit_small_patch16_rope_224' }, /which is of timm's eva\.py/],
    [
      'differential attention',
      { architecture: 'vit_dlittle_patch16_reg1_gap_256' },
      /which has DiffAttention/,
    ],
    ['what it does not know', { architecture: 'vit_new_224' }, /"vit_new_224", which is not known here/],
    [
      'an argument',
      { model_args: { block_fn: 'x' } },
      /model_args: block_fn is "x": this argument is not supported/,
    ],
    ['a pooling', { global_pool: 'max' }, /global_pool is "max"; expected one of token, avg, map/],
    ['a crop mode', { pretrained_cfg: { crop_mode: 'x', mean: [0, 0, 0] } }, /crop_mode is "x"/],
    [
      'a gap in the labels',
      { label_names: { 0: 'a', 3: 'b' } },
      /label_names has 2 names, but none for class 1/,
    ],
  ])('refuses %s', async (_, fields, message) => {
    await expect(readFolder(changed('timm', 'config.json', fields))).rejects.toThrow(message);
  });

  test('two poolings that differ: refused, unless the caller says which', async () => {
    const args = { num_classes: 3, embed_dim: 16, depth: 2, num_heads: 4, img_size: 16, patch_size: 4 };
    const pooled = (argument: string) =>
      changed('timm', 'config.json', { global_pool: 'avg', model_args: { ...args, global_pool: argument } });
    await expect(readFolder(pooled('token'))).rejects.toThrow(
      /^config\.json: global_pool is "avg", and config\.json: model_args: global_pool "token"; --pool says which$/,
    );
    const { facts } = await readFolder(pooled('avg'));
    expect(facts.config.pool?.value).toBe('mean');
    await expect(readFolder(pooled('token'), { pool: 'mean' })).resolves.toBeDefined();
  });

  test('no pooling: refused with a head, unless the caller says what it reads; said of a backbone', async () => {
    const unpooled = (more: object) => {
      const args = { num_classes: 3, embed_dim: 16, depth: 2, num_heads: 4, img_size: 16, patch_size: 4 };
      return changed('timm', 'config.json', {
        global_pool: undefined,
        model_args: { ...args, global_pool: '', ...more },
      });
    };
    await expect(readFolder(unpooled({}))).rejects.toThrow(
      /^config\.json: model_args: global_pool is "": timm then pools nothing and gives every token's logits, none of the image; --pool/,
    );
    const told = await readFolder(unpooled({}), { pool: 'mean' });
    expect(convertRead(told, { pool: 'mean' })).toMatchObject({ config: { pool: 'mean' }, assumptions: [] });
    const { assumptions, facts } = await readFolder(unpooled({ num_classes: 0 }));
    expect(assumptions).toEqual([
      {
        field: 'pool',
        value: 'token',
        why: expect.stringMatching(/predict gives one token.*features\(\) gives every/),
      },
    ]);
    expect(facts.config.pool?.value).toBe('token');
  });

  test('an architecture that is not known is taken for another by name', async () => {
    const files = changed('timm', 'config.json', { architecture: 'vit_new_224' });
    const { facts } = await readFolder(files, { model: 'vit_small_patch16_224' });
    expect(facts.config.activation).toEqual({ value: 'gelu', source: '--model' });
  });
});
