import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { convert } from '../../converters/convert.js';
import {
  bytesSource,
  type Checkpoint,
  type CheckpointTensor,
  parseCheckpoint,
} from '../../converters/formats/index.js';

const FOLDER = 'test/fixtures/family';
const open = (name: string) => parseCheckpoint(bytesSource(readFileSync(`${FOLDER}/${name}`), name));

type Tensors = ReadonlyMap<string, CheckpointTensor>;

const checkpoint = (tensors: Tensors, metadata: Checkpoint['metadata'] = {}): Checkpoint => ({
  name: 'made.pth',
  format: 'zip',
  tensors,
  metadata,
});

/** The same tensors under other names; none where the name is undefined. */
function renamed(
  tensors: Tensors,
  rename: (name: string) => string | undefined,
): Map<string, CheckpointTensor> {
  const entries = [...tensors].flatMap(([name, tensor]) => {
    const other = rename(name);
    return other === undefined ? [] : [[other, { ...tensor, name: other }] as const];
  });
  return new Map(entries);
}

const tensor = (name: string, shape: number[], unreadable?: string): [string, CheckpointTensor] => [
  name,
  {
    name,
    dtype: unreadable ? 'complex64' : 'float32',
    shape,
    ...(unreadable ? { unreadable } : {}),
    read: async () => new Float32Array(shape.reduce((a, b) => a * b, 1)),
  },
];

/** A plain ViT of 5 classes, 16 wide, without wrapper. */
const plain = async (): Promise<Tensors> => (await open('timm_epsilon.safetensors')).tensors;
const told = { numHeads: 2 };

/** The values of the class token, by which two models of one shape are told apart. */
async function clsToken(tensors: Tensors, options = {}): Promise<Float32Array> {
  return convert(checkpoint(tensors), { ...told, ...options }).readWeight('cls_token');
}

const scaled = (tensors: Tensors, factor: number): Tensors =>
  new Map(
    [...tensors].map(([name, one]) => [
      name,
      { ...one, read: async () => (await one.read()).map((value) => value * factor) },
    ]),
  );

describe('names that wrappers of modules change', () => {
  test.each<[string, (name: string) => string]>([
    ['DataParallel', (name) => `module.${name}`],
    ['torch.compile', (name) => `_orig_mod.${name}`],
    ['both', (name) => `state_dict._orig_mod.module.${name}`],
    ['blocks compiled one by one', (name) => name.replace(/^(blocks\.\d+)\./, '$1._orig_mod.')],
    ['activation checkpoints', (name) => name.replace(/^(blocks\.\d+)\./, '$1._checkpoint_wrapped_module.')],
    [
      'FSDP',
      (name) => `_fsdp_wrapped_module.${name.replace(/^(blocks\.\d+)\./, '$1._fsdp_wrapped_module.')}`,
    ],
    ['Lightning', (name) => `state_dict.model.${name}`],
    ['chunks of blocks', (name) => name.replace(/^blocks\.(\d+)\./, 'blocks.$1.$1.')],
  ])('%s', async (_, rename) => {
    const tensors = await plain();
    const { report, readWeight } = convert(checkpoint(renamed(tensors, rename)), told);
    expect(report.mapped).toBe(tensors.size);
    expect(report.leftOver).toEqual([]);
    expect(await readWeight('cls_token')).toEqual(await tensors.get('cls_token')!.read());
  });
});

test.each(['', 'state_dict.'])('what wrappers count under "%s" is no part of the model', async (prefix) => {
  const tensors = renamed(await plain(), (name) => `${prefix}module.${name}`);
  const counters = ['n_averaged', 'initted', 'step', 'best_acc1'].map((name) => tensor(prefix + name, []));
  const { report } = convert(checkpoint(new Map([...tensors, ...counters])), told);
  expect(report.model).toBe(convert(checkpoint(await plain()), told).report.model);
  expect(() => convert(checkpoint(new Map([...tensors, tensor(`${prefix}scale`, [])])), told)).toThrow(
    /scale; this model is of another kind/,
  );
});

describe('heads beside the body', () => {
  const split = async (body: string, head: string) =>
    renamed(await plain(), (name) =>
      name.startsWith('head.') ? head + name.slice('head'.length) : body + name,
    );

  test.each([
    ['backbone.', 'fc'],
    ['backbone.', 'classifier.1'],
    ['0.', '1'],
    ['encoder.', 'linear'],
    ['', 'head.1'],
  ])('%s and %s', async (body, head) => {
    const { config, report } = convert(checkpoint(await split(body, head)), told);
    expect(config.numClasses).toBe(5);
    expect(report.leftOver).toEqual([]);
  });

  test.each<[string, [string, CheckpointTensor][], RegExp]>([
    [
      'a second layer',
      [tensor('classifier.4.weight', [3, 5])],
      /a head .* and beside it classifier\.4\.weight/,
    ],
    ['a norm before it', [tensor('bn.weight', [16])], /beside it bn\.weight, which may lie on the way/],
    ['a neck', [tensor('neck.fc.weight', [16, 16])], /beside it neck\.fc\.weight/],
  ])('%s beside a head is not left out', async (_, extra, message) => {
    const tensors = new Map([...(await split('backbone.', 'classifier.1')), ...extra]);
    expect(() => convert(checkpoint(tensors), told)).toThrow(message);
    expect(convert(checkpoint(tensors), { ...told, numClasses: 0 }).config.numClasses).toBe(0);
  });

  test('an unknown head is not left out', async () => {
    const tensors = await split('backbone.', 'mlp_head.2');
    expect(() => convert(checkpoint(tensors), told)).toThrow(
      /no head that is known, and beside it mlp_head\.2\.weight.*--num-classes 0/,
    );
  });

  test('losses, text towers and decoders are left over', async () => {
    const extra = [tensor('criterion.weight', [5]), tensor('decoder.0.weight', [16, 16])];
    const tensors = new Map([...(await split('backbone.', 'fc')), ...extra]);
    expect(convert(checkpoint(tensors), told).report.leftOver).toEqual([
      'criterion.weight',
      'decoder.0.weight',
    ]);
  });

  test('a hidden layer in the head is refused', async () => {
    const tensors = new Map([...(await split('', 'head.0')), tensor('head.2.weight', [3, 5])]);
    expect(() => convert(checkpoint(tensors), told)).toThrow(
      /1 tensor\(s\) belong to no part.*head\.2\.weight/,
    );
  });
});

describe('several models in one checkpoint', () => {
  const two = async (first: string, second: string) => {
    const tensors = await plain();
    return new Map([
      ...renamed(scaled(tensors, 2), (name) => second + name),
      ...renamed(tensors, (name) => first + name),
    ]);
  };

  test.each([
    ['model.', 'model_ema.'],
    ['state_dict.', 'state_dict_ema.'],
    ['state_dict.model.', 'ema_state_dict.module.'],
    ['state_dict.module.base_encoder.', 'state_dict.module.momentum_encoder.'],
  ])('%s comes before %s, which is named', async (first, second) => {
    const tensors = await two(first, second);
    expect(await clsToken(tensors)).toEqual(await (await plain()).get('cls_token')!.read());
    const { assumptions, report } = convert(checkpoint(tensors), told);
    const said = assumptions.find(({ field }) => field === 'root')!;
    expect(said.value).toBe(JSON.stringify(first));
    expect(said.why).toContain(JSON.stringify(second));
    expect(report.models.map(({ root }) => root)).toEqual([first, second]);
  });

  test.each([
    'model_ema',
    'model_ema.',
  ])('root %s chooses the other, and nothing is assumed', async (root) => {
    const tensors = await two('model.', 'model_ema.');
    const expected = (await (await plain()).get('cls_token')!.read()).map((value) => 2 * value);
    expect(await clsToken(tensors, { root })).toEqual(expected);
    const { assumptions } = convert(checkpoint(tensors), { ...told, root });
    expect(assumptions.map(({ field }) => field)).not.toContain('root');
  });

  test('equals are an error that lists them; root chooses', async () => {
    const tensors = await two('state_dict.student.', 'state_dict.teacher.');
    expect(() => convert(checkpoint(tensors), told)).toThrow(
      /2 models in it.*"state_dict\.student\.".*"state_dict\.teacher\.".*--root PREFIX/,
    );
    expect(await clsToken(tensors, { root: 'state_dict.student' })).toEqual(
      await (await plain()).get('cls_token')!.read(),
    );
    expect(() => convert(checkpoint(tensors), { ...told, root: 'state_dict.pupil' })).toThrow(
      /no model under "state_dict\.pupil"; there is: "state_dict\.student\."/,
    );
  });

  test('DINO’s own checkpoint gives the teacher, and says so', async () => {
    const { assumptions } = convert(await open('dino_training.pth'), told);
    expect(assumptions.find(({ field }) => field === 'root')).toMatchObject({
      value: '"teacher.backbone."',
      why: expect.stringMatching(/^the teacher, as DINO.*student\.module\.backbone/),
    });
  });

  test('one that is not whole is not taken', async () => {
    const tensors = await two('a.', 'b.');
    tensors.delete('a.blocks.0.attn.qkv.weight');
    expect(convert(checkpoint(tensors), told).report.prefix).toBe('b.');
  });
});

describe('architectures that look like a ViT are refused by their name', () => {
  test.each<[string, [string, CheckpointTensor][], RegExp]>([
    ['BEiT', [tensor('blocks.0.attn.relative_position_bias_table', [9, 2])], /a BEiT/],
    ['EVA', [tensor('blocks.0.attn.q_bias', [16])], /a BEiT or an EVA/],
    ['relative positions', [tensor('blocks.0.attn.rel_pos.mlp.fc1.weight', [8, 2])], /relative positions/],
    ['SAM', [tensor('blocks.0.attn.rel_pos_h', [9, 8])], /a SAM image encoder/],
    ['hybrid', [tensor('patch_embed.backbone.conv.weight', [8, 3, 7, 7])], /a hybrid ViT/],
    ['CaiT', [tensor('blocks_token_only.0.gamma_1', [16])], /a CaiT/],
    ['XCiT', [tensor('blocks.0.attn.temperature', [2, 1, 1])], /an XCiT/],
    ['DINOv3', [tensor('rope_embed.periods', [4])], /a DINOv3/],
    ['rotary', [tensor('rope.freqs', [4])], /rotary/],
    ['differential', [tensor('blocks.0.attn.lambda_q1', [4])], /differential attention/],
    ['sub-LN', [tensor('blocks.0.attn.norm.weight', [16])], /norms inside attention/],
    [
      'Swin',
      [
        tensor('patch_embed.norm.weight', [16]),
        tensor('layers.0.blocks.0.attn.relative_position_bias_table', [9, 2]),
      ],
      /a Swin transformer/,
    ],
    ['MViTv2', [tensor('stages.0.blocks.0.attn.norm_q.weight', [8])], /an MViTv2/],
    ['ViT-22B', [tensor('blocks.0.in_proj.weight', [80, 16])], /attention and MLP in parallel/],
  ])('%s', async (_, extra, message) => {
    const tensors = new Map([...(await plain()), ...extra]);
    expect(() => convert(checkpoint(tensors), told)).toThrow(message);
  });

  test.each([
    ['OpenAI’s CLIP', 'visual.conv1.weight', /a CLIP under OpenAI’s own names/],
    ['vit-pytorch', 'to_patch_embedding.1.weight', /lucidrains\/vit-pytorch/],
  ])('%s, whose names are others', (_, name, message) => {
    expect(() => convert(checkpoint(new Map([tensor(name, [16, 3, 4, 4])])))).toThrow(message);
  });

  test('rotary ViTs by their published name, since no tensor tells', async () => {
    const name = (value: string) => ({ facts: { config: {}, name: { value, source: 'config.json' } } });
    const tensors = await plain();
    for (const published of [
      'vit_small_patch16_rope_ape_224.naver_in1k',
      'vit_base_patch16_rpn_224.sw_in1k',
    ]) {
      expect(() => convert(checkpoint(tensors), { ...told, ...name(published) })).toThrow(
        /by config\.json, which has .* not computed here/,
      );
    }
  });

  test('without a name, DeiT III’s tensors without wrapper are those of a rotary ViT as well', async () => {
    const deit3 = renamed((await open('timm_registers_no_embed.safetensors')).tensors, (name) =>
      name === 'reg_token' ? undefined : name.replace(/ls([12])\.gamma/, 'gamma_$1'),
    );
    expect(() => convert(checkpoint(deit3), told)).toThrow(
      /DeiT III and of timm’s ViTs with rotary.*--model/,
    );
    const wrapped = renamed(deit3, (name) => `model.${name}`);
    expect(convert(checkpoint(wrapped), told).report.naming).toBe('facebook');
  });

  test('a norm before the blocks and attention pooling are a Perception Encoder’s', async () => {
    const pooling = (await open('timm_map_with_prefix.safetensors')).tensors;
    const tensors = new Map([
      ...renamed(pooling, (name) => (name === 'patch_embed.proj.bias' ? undefined : name)),
      tensor('norm_pre.weight', [16]),
      tensor('norm_pre.bias', [16]),
    ]);
    expect(() => convert(checkpoint(tensors), told)).toThrow(/Perception Encoders.*rotary.*--model/);
    const facts = { config: {}, name: { value: 'vit_pe_core_base_patch16_224.fb', source: 'config.json' } };
    expect(() => convert(checkpoint(tensors), { ...told, facts })).toThrow(/is vit_pe_core_base.*rotary/);
  });

  test('without position embeddings', async () => {
    const tensors = renamed(await plain(), (name) => (name === 'pos_embed' ? undefined : name));
    expect(() => convert(checkpoint(tensors), told)).toThrow(
      /pos_embed is missing.*rotary or relative positions/,
    );
  });

  test('norms without biases are root-mean-square norms', async () => {
    const tensors = renamed(await plain(), (name) => (/norm\d?\.bias$/.test(name) ? undefined : name));
    expect(() => convert(checkpoint(tensors), told)).toThrow(/RMSNorm/);
  });
});

describe('what tensors do not tell apart', () => {
  const fieldsOf = (tensors: Tensors, options = {}) =>
    convert(checkpoint(tensors), { ...told, ...options }).assumptions.map(
      ({ field, value }) => `${field}=${value}`,
    );
  const tensorsOf = async (name: string) => (await open(name)).tensors;

  test.each([
    'key',
    'query',
    'value',
  ])('a bias of %s that is missing beside the others is refused (BEiT’s keys have none)', async (part) => {
    const without = (name: string) => (name.endsWith(`attention.${part}.bias`) ? undefined : name);
    const tensors = renamed(await tensorsOf('hf_vit.safetensors'), without);
    expect(() => convert(checkpoint(tensors), told)).toThrow(
      `made.pth: the tensor vit.encoder.layer.0.attention.attention.${part}.bias is missing`,
    );
  });

  test('the gate of timm’s gated MLPs is said, and other gates are refused', async () => {
    const packed = await tensorsOf('timm_swiglu_packed.safetensors');
    expect(fieldsOf(packed)).toContain('swiglu=silu of the first half');
    expect(fieldsOf(packed, { activation: 'silu' })).toContain('swiglu=silu of the first half');
    expect(() => convert(checkpoint(packed), { ...told, activation: 'gelu' })).toThrow(
      'made.pth: its MLPs are gated, and --activation says gelu: only gates of silu (SwiGLU) are computed here',
    );
    const halves = await tensorsOf('timm_swiglu.safetensors');
    expect(fieldsOf(halves)).toContain('swiglu=silu');
    expect(fieldsOf(halves, { activation: 'silu' }).join()).not.toMatch(/swiglu/);
    // w12 and gate_proj are SwiGLU's alone.
    for (const name of ['dinov2_registers_swiglu.pth', 'hf_dinov2_swiglu_transformers5.bin']) {
      expect(fieldsOf(await tensorsOf(name)).join()).not.toMatch(/swiglu/);
    }
  });

  test('the mean of a model without a class token is said, of timm’s alone', async () => {
    const tensors = await tensorsOf('timm_registers_avg.safetensors');
    expect(fieldsOf(tensors)).toEqual(expect.arrayContaining(['pool=mean', 'poolPrefix=false']));
    expect(fieldsOf(tensors, { pool: 'mean' }).join()).not.toMatch(/pool/);
    expect(fieldsOf(await tensorsOf('timm_no_class_token.safetensors'))).toContain('pool=mean');
    expect(fieldsOf(await tensorsOf('hf_siglip_classifier.safetensors')).join()).not.toMatch(/pool=/);
  });

  test('positions that are two grids, since registers may have some of them', async () => {
    const tensors = new Map([
      ...(await tensorsOf('timm_registers_no_embed.safetensors')),
      tensor('reg_token', [1, 4, 16]),
    ]);
    const text = 'pos_embed has 9 positions, which are 2×2 patches and 5 prefix tokens, or 3×3 patches alone';
    expect(() => convert(checkpoint(tensors), told)).toThrow(text);
    expect(() => convert(checkpoint(tensors), { ...told, imgSize: [24, 24] })).toThrow(text);
    const read = (side: number) => convert(checkpoint(tensors), { ...told, imgSize: [side, side] }).report;
    expect(read(8).resampled).toEqual([]);
    expect(read(12).resampled).toEqual([]);
    const config = { posEmbedPrefix: { value: false, source: 'config.json' } };
    const [height] = convert(checkpoint(tensors), { ...told, facts: { config } }).config.imgSize;
    expect(height).toBe(12);
  });

  test('patches that are taken for a square, unless their size is told', async () => {
    const tensors = await plain();
    expect(fieldsOf(tensors)).toContain('imgSize=12×12');
    expect(fieldsOf(tensors, { imgSize: [4, 36] })).toContain('imgSize=4×36');
    expect(fieldsOf(tensors, { imgSize: [12, 12] }).join()).not.toMatch(/imgSize/);
  });

  test.each([
    ['patchSize', 8],
    ['mlpRatio', 3],
    ['numClasses', 7],
    ['preNorm', true],
    ['finalNorm', false],
    ['fcNorm', true],
  ])('a fact of %s that the tensors contradict', async (field, value) => {
    const tensors = await plain();
    const told = (said: unknown) => ({
      facts: {
        config: { numHeads: { value: 2, source: '' }, [field]: { value: said, source: 'config.json' } },
      },
    });
    const { config } = convert(checkpoint(tensors), { numHeads: 2 });
    const have = { preNorm: false, finalNorm: true, fcNorm: false, ...config }[field as 'mlpRatio'];
    expect(() => convert(checkpoint(tensors), told(value))).toThrow(
      `made.pth: ${field} is ${have} by the tensors, ${value} by config.json; they belong to different models`,
    );
    expect(convert(checkpoint(tensors), told(have)).config).toEqual(config);
  });

  test('the final norm of timm’s final_norm stands behind the pooling with fc_norm', async () => {
    const config = {
      finalNorm: { value: true, source: 'config.json' },
      fcNorm: { value: true, source: 'config.json' },
    };
    const { tensors } = await open('timm_avg.safetensors');
    expect(convert(checkpoint(tensors), { ...told, facts: { config } }).config.fcNorm).toBe(true);
  });

  test('an input size that the positions contradict: an error of transformers’, else said', async () => {
    const tensors = await plain();
    const facts = (library: 'huggingface' | 'timm') => ({
      config: { imgSize: { value: [24, 24] as const, source: 'config.json: image_size' } },
      library: { value: library, source: 'config.json' },
    });
    expect(() => convert(checkpoint(tensors), { ...told, facts: facts('huggingface') })).toThrow(
      'made.pth: pos_embed has 10 positions, and config.json: image_size says 24×24 pixels; they belong to different models',
    );
    expect(fieldsOf(tensors, { facts: facts('timm') })).toContain('imgSize=12×12');
  });

  test('weights of whole numbers are codes whose scale is missing', async () => {
    const tensors = new Map(await plain());
    for (const dtype of ['int8', 'uint8', 'int64', 'bool']) {
      tensors.set('norm.bias', { ...tensors.get('norm.bias')!, dtype });
      expect(() => convert(checkpoint(tensors), told)).toThrow(
        `made.pth: the tensor norm.bias has whole numbers (${dtype}), which are codes of a quantised weight without its scale`,
      );
    }
  });

  test.each([
    ['pool', 'avgmax', 'mean'],
    ['activation', 'mish', 'relu'],
  ])('a %s that is told and not computed is refused, unless an option says another', async (field, value, other) => {
    const facts = { config: { [field]: { value, source: 'args' } } };
    const tensors = await plain();
    expect(() => convert(checkpoint(tensors), { ...told, facts })).toThrow(
      `made.pth: args is "${value}", which is not computed here; --${field} says otherwise`,
    );
    const { config } = convert(checkpoint(tensors), { ...told, facts, [field]: other });
    expect(config).toMatchObject({ [field]: other });
  });

  test('labels that are not as many as classes are said', async () => {
    const labels = { value: ['a', 'b'], source: 'config.json: id2label' };
    const tensors = await plain();
    const { assumptions, labels: used } = convert(checkpoint(tensors), {
      ...told,
      facts: { config: {}, labels },
    });
    expect(used).toBeUndefined();
    expect(assumptions.find(({ field }) => field === 'labels')?.why).toMatch(
      /^config\.json: id2label names 2 classes, the head has 5: /,
    );
    // A fresh head has other classes, and none is no matter.
    for (const numClasses of [0, 3]) {
      expect(fieldsOf(tensors, { facts: { config: {}, labels }, numClasses }).join()).not.toMatch(/labels/);
    }
  });
});

describe('a tensor whose dtype is not read', () => {
  test('is refused where it is needed', async () => {
    const tensors = new Map(await plain());
    const [name, one] = tensor('norm.bias', [16], 'its dtype complex64 is not read');
    tensors.set(name, one);
    expect(() => convert(checkpoint(tensors), told)).toThrow(
      'made.pth: the tensor norm.bias is needed, but its dtype complex64 is not read',
    );
  });

  test('is listed where nothing needs it', async () => {
    const reason = 'its dtype complex64 is not read';
    const tensors = new Map([
      ...renamed(await plain(), (name) => `model.${name}`),
      tensor('optimizer.state', [3], reason),
      tensor('model.mask_token', [1, 16], reason),
    ]);
    const { report } = convert(checkpoint(tensors), told);
    expect(report.leftOver).toEqual(['optimizer.state']);
    expect(report.dropped).toEqual(['model.mask_token']);
  });
});

describe('time grows with the length of all names', () => {
  const seconds = (tensors: Map<string, CheckpointTensor>) => {
    const start = performance.now();
    expect(() => convert(checkpoint(tensors))).toThrow(/made\.pth/);
    return (performance.now() - start) / 1000;
  };

  test.each<[string, (i: number) => string]>([
    ['side by side', (i) => `x${i}.patch_embed.proj.weight`],
    [
      'side by side, each with a block',
      (i) => `x${i >> 1}.${i % 2 ? 'blocks.0.norm1.weight' : 'patch_embed.proj.weight'}`,
    ],
    ['of blocks', (i) => `blocks.${i % 1000}.x${i}.patch_embed.proj.weight`],
    [
      'of every naming',
      (i) => `x${i}.${['conv_proj.weight', 'embedding/kernel', 'embeddings.patch_embedding.weight'][i % 3]}`,
    ],
  ])('20,000 models %s', (_, name) => {
    const tensors = new Map(Array.from({ length: 20_000 }, (_, i) => tensor(name(i), [1])));
    expect(seconds(tensors)).toBeLessThan(5);
  });

  test('one in another, 300 deep', () => {
    const tensors = new Map(
      Array.from({ length: 300 }, (_, i) => tensor(`${'a.'.repeat(i)}patch_embed.proj.weight`, [1])),
    );
    expect(seconds(tensors)).toBeLessThan(5);
  });
});
