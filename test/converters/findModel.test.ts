import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { convert } from '../../converters/convert.js';
import {
  bytesSource,
  type Checkpoint,
  type CheckpointTensor,
  parseCheckpoint,
} from '../../converters/formats/index.js';
import { preprocessingFor } from '../../src/image/index.js';
import { timed } from '../timed.js';

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

describe('around a model with its own head', () => {
  const inside = async (body: string, ...extra: [string, CheckpointTensor][]) =>
    checkpoint(new Map([...renamed(await plain(), (name) => body + name), ...extra]));

  test.each<[string, string, [string, CheckpointTensor][]]>([
    ['a layer on its logits', 'vit.', [tensor('fc.weight', [3, 5]), tensor('fc.bias', [3])]],
    ['a layer on its logits, in a Sequential', '0.', [tensor('1.weight', [3, 5])]],
    ['a layer on its tokens', 'state_dict.model.', [tensor('state_dict.fc.weight', [3, 16])]],
    ['a layer on two of its features', 'vit.', [tensor('fc.weight', [3, 32])]],
    ['a layer on its logits, further out', 'state_dict.model.vit.', [tensor('state_dict.fc.weight', [3, 5])]],
    ['a convolution that makes its input', 'vit.', [tensor('stem.weight', [3, 4, 1, 1])]],
    ['another network on the same images', 'vit.', [tensor('cnn.conv1.weight', [8, 3, 7, 7])]],
    ['prompts among its tokens', 'enc.transformer.', [tensor('enc.prompt_embeddings', [1, 4, 16])]],
    ['prompts of every block', 'vit.', [tensor('deep_prompts', [2, 4, 16])]],
    ['a prompt in pixels', 'model.', [tensor('pad_up', [1, 3, 4, 8])]],
    ['positions of its own', 'model.', [tensor('pos_embed', [1, 5, 16])]],
    ['a decoder of the same tokens', 'encoder.', [tensor('decoder.proj_dec.weight', [16, 16])]],
  ])('%s is not left out, unless root takes the model by itself', async (_, body, extra) => {
    const whole = await inside(body, ...extra);
    const root = body.slice(0, -1);
    expect(() => convert(whole, told)).toThrow(
      `lie ${extra[0]![0]}, which fit its outputs or its input: it may be a part of another model; --root ${root} `,
    );
    expect(convert(whole, { ...told, root }).config.numClasses).toBe(5);
  });

  test('what training keeps is left over: optimizers, losses, counters', async () => {
    const kept = [
      tensor('optimizer_state_dict.state.0.exp_avg', [3, 5]),
      tensor('optim.state.1.momentum_buffer', [3, 3, 4, 4]),
      tensor('sgd.state.1.momentum_buffer', [3, 16]),
      tensor('criterion.weight', [5]),
      tensor('lr_scheduler.base', [1]),
      tensor('sam.state.0.old_p', [3, 16]),
      tensor('averages.shadow_params.0', [3, 16]),
      tensor('class_weights', [5]),
    ];
    const { report, assumptions } = convert(await inside('model_state_dict.', ...kept), told);
    expect(report.leftOver).toEqual(kept.map(([name]) => name));
    for (const field of ['normalization', 'beside']) {
      expect(assumptions.map((assumption) => assumption.field)).not.toContain(field);
    }
  });

  test.each<[string, [string, CheckpointTensor][]]>([
    ['priors of the classes', [tensor('prior', [5])]],
    ['a batch norm of the logits', [tensor('bn.bias', [5]), tensor('bn.weight', [5])]],
    ['colours’ factors', [tensor('color.weight', [3])]],
    ['a matrix that fits nothing', [tensor('film.weight', [32, 10])]],
  ])('%s are said, unless root takes the model by itself', async (_, extra) => {
    const whole = await inside('model.', ...extra);
    const why = expect.stringContaining(extra.map(([name]) => name).join(', '));
    expect(convert(whole, told).assumptions).toContainEqual({ field: 'beside', value: 'left out', why });
    const fields = convert(whole, { ...told, root: 'model' }).assumptions.map(({ field }) => field);
    expect(fields).not.toContain('beside');
  });

  test.each([
    'vit.',
    'model.vit.',
  ])('a layer around %s that does not fit its features is no head: without one the model is there', async (root) => {
    const body = renamed(await plain(), (name) => (name.startsWith('head.') ? undefined : root + name));
    const fused = checkpoint(new Map([...body, tensor('fc.weight', [5, 99]), tensor('fc.bias', [5])]));
    expect(() => convert(fused, told)).toThrow(
      /no head that is known, and beside it fc\.weight.*--num-classes 0/,
    );
    expect(convert(fused, { ...told, numClasses: 0 }).config.numClasses).toBe(0);
  });

  test.each([
    ['', 'head.1', true],
    ['backbone.', 'classifier.1', true],
    ['0.', '1.1', true],
    ['state_dict.0.', 'state_dict.1', false],
    ['backbone.', 'classifier', false],
  ])('what may stand before the second of a head’s layers is said: under "%s", %s: %s', async (body, head, said) => {
    const tensors = renamed(await plain(), (name) =>
      name.startsWith('head.') ? name.replace('head', head) : body + name,
    );
    const fields = convert(checkpoint(tensors), told).assumptions.map(({ field }) => field);
    expect(fields.includes('beforeHead')).toBe(said);
  });

  test('a head may stand further out than beside the body', async () => {
    const tensors = renamed(await plain(), (name) =>
      name.startsWith('head.')
        ? `state_dict.${name.replace('head', 'classifier')}`
        : `state_dict.model.vit.${name}`,
    );
    const { config, report } = convert(checkpoint(tensors), told);
    expect(config.numClasses).toBe(5);
    expect(report.leftOver).toEqual([]);
  });

  test('beside a body without head an optimizer is none of the way either', async () => {
    const body = renamed(await plain(), (name) =>
      name.startsWith('head.') ? undefined : `model_state_dict.${name}`,
    );
    const none = [
      tensor('optimizer_state_dict.state.0.exp_avg', [16, 16]),
      tensor('opt.state.0.exp_avg', [16, 16]),
      tensor('history', [9, 16]),
      tensor('text.transformer.weight', [16, 16]),
      tensor('head.last_layer2.weight_v', [9, 16]),
    ];
    for (const one of none) {
      expect(convert(checkpoint(new Map([...body, one])), told).config.numClasses).toBe(0);
    }
  });

  test.each([
    ['model.', 'mean', 'std', [1, 3, 1, 1]],
    ['1.', '0.mean', '0.std', [3]],
    ['net.', 'normalize.mean', 'normalize.std', [3, 1, 1]],
  ])('a wrapper’s own normalisation of images is said: %s, %s', async (body, mean, std, shape) => {
    const { assumptions } = convert(await inside(body, tensor(mean, shape), tensor(std, shape)), told);
    expect(assumptions).toContainEqual(
      expect.objectContaining({ field: 'normalization', why: expect.stringContaining(`${mean}, ${std}`) }),
    );
  });

  test.each([
    'temperature',
    'scale',
    'logit_scale',
  ])('a factor behind the logits is said: %s', async (name) => {
    const { assumptions } = convert(await inside('model.', tensor(name, [1])), told);
    expect(assumptions).toContainEqual(expect.objectContaining({ field: 'temperature' }));
  });

  test('open_clip’s projection of two layers is not left out', async () => {
    const trunk = renamed(await plain(), (name) =>
      name.startsWith('head.') ? undefined : `visual.trunk.${name}`,
    );
    const tensors = new Map([...trunk, tensor('visual.head.mlp.fc1.weight', [16, 16])]);
    expect(() => convert(checkpoint(tensors), told)).toThrow(/beside it visual\.head\.mlp\.fc1\.weight/);
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
    ['state_dict.net.', 'current_model_state.net.'],
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

  test('of two that a wrapper’s name alone tells apart root takes the one of that very name', async () => {
    const tensors = await two('', 'module.');
    expect(() => convert(checkpoint(tensors), told)).toThrow(/2 models in it.*"" .*"module\." /);
    const expected = (await (await plain()).get('cls_token')!.read()).map((value) => 2 * value);
    expect(await clsToken(tensors, { root: 'module' })).toEqual(expected);
    expect(await clsToken(tensors, { root: '' })).toEqual(await (await plain()).get('cls_token')!.read());
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
    [
      'blocks.0.attn.qkv._packed_params._packed_params.0',
      /quantised weights, told by .*before it was quantised/,
    ],
    ['blocks.0.attn.qkv.weight_scale', /quantised weights/],
    ['blocks.0.mlp.fc1.weight_mask', /a mask or in parts.*prune\.remove\(\)/],
    ['blocks.0.attn.qkv.lora_A.default.weight', /adapters \(LoRA\).*merge_and_unload/],
    ['head.parametrizations.weight.original0', /remove_parametrizations\(\).*save the model again/],
    ['head.weight_g', /remove_weight_norm\(\)/],
  ])('weights that a library rewrote, with the way back: %s', async (name, message) => {
    const tensors = new Map([...(await plain()), tensor(name, [4])]);
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
    expect(fieldsOf(tensors)).toContain('posEmbedPrefix=true');
    for (const [side, prefix] of [
      [8, true],
      [12, false],
    ] as const) {
      const asked = convert(checkpoint(tensors), { ...told, imgSize: [side, side] });
      expect(asked.report.resampled).toEqual([]);
      expect(asked.config.posEmbedPrefix).toBe(prefix);
      expect(asked.assumptions.map(({ field }) => field)).not.toContain('posEmbedPrefix');
    }
    // What images are prepared for says it as well, and is no word of whoever made the weights.
    const preprocessing = { value: preprocessingFor('deit', [12, 12]), source: 'args' };
    const prepared = convert(checkpoint(tensors), { ...told, facts: { config: {}, preprocessing } });
    expect(prepared.config).toMatchObject({ posEmbedPrefix: false, imgSize: [12, 12] });
    expect(prepared.assumptions.map(({ field }) => field)).toContain('posEmbedPrefix');
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
    const have = { preNorm: false, finalNorm: true, fcNorm: false, ...config }[field as 'preNorm'];
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
  const seconds = async (tensors: Map<string, CheckpointTensor>) => {
    const { busy } = await timed(() => expect(() => convert(checkpoint(tensors))).toThrow(/made\.pth/));
    return busy;
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
  ])('20,000 models %s', async (_, name) => {
    const tensors = new Map(Array.from({ length: 20_000 }, (_, i) => tensor(name(i), [1])));
    expect(await seconds(tensors)).toBeLessThan(5);
  });

  test('one in another, 300 deep', async () => {
    const tensors = new Map(
      Array.from({ length: 300 }, (_, i) => tensor(`${'a.'.repeat(i)}patch_embed.proj.weight`, [1])),
    );
    expect(await seconds(tensors)).toBeLessThan(5);
  });
});
