/*
 * Facts of the ViTs of timm 1.0.31 (vision_transformer.py, deit.py), written by ../make_timm.py from timm
 * itself; not to be edited by hand.
 */
import type { VitConfig } from '../../../src/families/vit/config.js';

/** [name, embedDim, depth, numHeads, patchSize, side of the input in pixels]. */
export type TimmArchitecture = readonly [string, number, number, number, number, number];

/** Architectures by the fields in which they differ from a plain ViT: MLP ratio 4, epsilon 1e-6, head on the class token. */
export const timmArchitectures: readonly {
  readonly fields: Partial<VitConfig>;
  readonly models: readonly TimmArchitecture[];
}[] = [
  {
    fields: { finalNorm: false, pool: 'mean', fcNorm: true },
    models: [
      ['eva_large_patch14_196', 1024, 24, 16, 14, 196],
      ['eva_large_patch14_336', 1024, 24, 16, 14, 336],
    ],
  },
  {
    fields: { posEmbedPrefix: false },
    models: [
      ['flexivit_base', 768, 12, 12, 16, 240],
      ['flexivit_large', 1024, 24, 16, 16, 240],
      ['flexivit_small', 384, 12, 6, 16, 240],
    ],
  },
  {
    fields: { mlpRatio: 3 },
    models: [
      ['test_vit', 64, 6, 2, 16, 160],
    ],
  },
  {
    fields: { mlpRatio: 3, layerScale: 1e-5, classToken: false, registers: 1, registerPositions: true, finalNorm: false, pool: 'mean', fcNorm: true },
    models: [
      ['test_vit2', 64, 8, 2, 16, 160],
    ],
  },
  {
    fields: { mlpRatio: 2, layerScale: 1e-5, classToken: false, registers: 1, registerPositions: true, pool: 'map', poolPrefix: true },
    models: [
      ['test_vit3', 96, 9, 3, 16, 160],
    ],
  },
  {
    fields: {  },
    models: [
      ['deit_base_patch16_224', 768, 12, 12, 16, 224],
      ['deit_base_patch16_384', 768, 12, 12, 16, 384],
      ['deit_small_patch16_224', 384, 12, 6, 16, 224],
      ['deit_tiny_patch16_224', 192, 12, 3, 16, 224],
      ['vit_base_patch16_224', 768, 12, 12, 16, 224],
      ['vit_base_patch16_384', 768, 12, 12, 16, 384],
      ['vit_base_patch32_224', 768, 12, 12, 32, 224],
      ['vit_base_patch32_384', 768, 12, 12, 32, 384],
      ['vit_base_patch8_224', 768, 12, 12, 8, 224],
      ['vit_huge_patch14_224', 1280, 32, 16, 14, 224],
      ['vit_large_patch14_224', 1024, 24, 16, 14, 224],
      ['vit_large_patch16_224', 1024, 24, 16, 16, 224],
      ['vit_large_patch16_384', 1024, 24, 16, 16, 384],
      ['vit_large_patch32_224', 1024, 24, 16, 32, 224],
      ['vit_large_patch32_384', 1024, 24, 16, 32, 384],
      ['vit_small_patch16_224', 384, 12, 6, 16, 224],
      ['vit_small_patch16_384', 384, 12, 6, 16, 384],
      ['vit_small_patch32_224', 384, 12, 6, 32, 224],
      ['vit_small_patch32_384', 384, 12, 6, 32, 384],
      ['vit_small_patch8_224', 384, 12, 6, 8, 224],
      ['vit_tiny_patch16_224', 192, 12, 3, 16, 224],
      ['vit_tiny_patch16_384', 192, 12, 3, 16, 384],
    ],
  },
  {
    fields: { layerScale: 1e-5 },
    models: [
      ['vit_base_patch14_dinov2', 768, 12, 12, 14, 518],
      ['vit_base_patch16_plus_240', 896, 12, 14, 16, 240],
      ['vit_base_patch32_plus_256', 896, 12, 14, 32, 256],
      ['vit_large_patch14_dinov2', 1024, 24, 16, 14, 518],
      ['vit_small_patch14_dinov2', 384, 12, 6, 14, 518],
      ['vit_small_patch16_36x1_224', 384, 36, 6, 16, 224],
    ],
  },
  {
    fields: { layerScale: 1, registers: 1, posEmbedPrefix: false },
    models: [
      ['vit_base_patch14_reg1_tipsv2', 768, 12, 12, 14, 448],
      ['vit_large_patch14_reg1_tipsv2', 1024, 24, 16, 14, 448],
    ],
  },
  {
    fields: { layerScale: 1e-5, registers: 4, posEmbedPrefix: false },
    models: [
      ['vit_base_patch14_reg4_dinov2', 768, 12, 12, 14, 518],
      ['vit_large_patch14_reg4_dinov2', 1024, 24, 16, 14, 518],
      ['vit_small_patch14_reg4_dinov2', 384, 12, 6, 14, 518],
    ],
  },
  {
    fields: { parallel: 2, layerScale: 1e-5 },
    models: [
      ['vit_base_patch16_18x2_224', 768, 18, 12, 16, 224],
      ['vit_small_patch16_18x2_224', 384, 18, 6, 16, 224],
    ],
  },
  {
    fields: { qkvBias: false },
    models: [
      ['vit_base_patch16_224_miil', 768, 12, 12, 16, 224],
    ],
  },
  {
    fields: { patchBias: false, preNorm: true, layerNormEps: 1e-5 },
    models: [
      ['vit_base_patch16_clip_224', 768, 12, 12, 16, 224],
      ['vit_base_patch16_clip_384', 768, 12, 12, 16, 384],
      ['vit_base_patch16_plus_clip_240', 896, 12, 14, 16, 240],
      ['vit_base_patch32_clip_224', 768, 12, 12, 32, 224],
      ['vit_base_patch32_clip_256', 768, 12, 12, 32, 256],
      ['vit_base_patch32_clip_384', 768, 12, 12, 32, 384],
      ['vit_base_patch32_clip_448', 768, 12, 12, 32, 448],
      ['vit_betwixt_patch32_clip_224', 640, 12, 10, 32, 224],
      ['vit_huge_patch14_clip_224', 1280, 32, 16, 14, 224],
      ['vit_huge_patch14_clip_336', 1280, 32, 16, 14, 336],
      ['vit_huge_patch14_clip_378', 1280, 32, 16, 14, 378],
      ['vit_large_patch14_clip_224', 1024, 24, 16, 14, 224],
      ['vit_large_patch14_clip_336', 1024, 24, 16, 14, 336],
      ['vit_medium_patch16_clip_224', 512, 12, 8, 16, 224],
      ['vit_medium_patch32_clip_224', 512, 12, 8, 32, 224],
      ['vit_xsmall_patch16_clip_224', 256, 10, 4, 16, 224],
    ],
  },
  {
    fields: { patchBias: false, activation: 'quick_gelu', preNorm: true, layerNormEps: 1e-5 },
    models: [
      ['vit_base_patch16_clip_quickgelu_224', 768, 12, 12, 16, 224],
      ['vit_base_patch32_clip_quickgelu_224', 768, 12, 12, 32, 224],
      ['vit_huge_patch14_clip_quickgelu_224', 1280, 32, 16, 14, 224],
      ['vit_huge_patch14_clip_quickgelu_378', 1280, 32, 16, 14, 378],
      ['vit_large_patch14_clip_quickgelu_224', 1024, 24, 16, 14, 224],
      ['vit_large_patch14_clip_quickgelu_336', 1024, 24, 16, 14, 336],
    ],
  },
  {
    fields: { classToken: false, pool: 'mean' },
    models: [
      ['vit_base_patch16_gap_224', 768, 12, 16, 16, 224],
      ['vit_base_patch16_siglip_gap_224', 768, 12, 12, 16, 224],
      ['vit_base_patch16_siglip_gap_256', 768, 12, 12, 16, 256],
      ['vit_base_patch16_siglip_gap_384', 768, 12, 12, 16, 384],
      ['vit_base_patch16_siglip_gap_512', 768, 12, 12, 16, 512],
      ['vit_huge_patch14_gap_224', 1280, 32, 16, 14, 224],
      ['vit_huge_patch16_gap_448', 1280, 32, 16, 16, 448],
      ['vit_large_patch16_siglip_gap_256', 1024, 24, 16, 16, 256],
      ['vit_large_patch16_siglip_gap_384', 1024, 24, 16, 16, 384],
    ],
  },
  {
    fields: { layerScale: 1e-5, registers: 7, posEmbedPrefix: false, finalNorm: false },
    models: [
      ['vit_base_patch16_radio_v3', 768, 12, 12, 16, 512],
      ['vit_large_patch16_radio_v3', 1024, 24, 16, 16, 512],
    ],
  },
  {
    fields: { classToken: false, registers: 4, posEmbedPrefix: false, finalNorm: false, pool: 'mean', fcNorm: true },
    models: [
      ['vit_base_patch16_reg4_gap_256', 768, 12, 12, 16, 256],
    ],
  },
  {
    fields: { classToken: false, pool: 'map' },
    models: [
      ['vit_base_patch16_siglip_224', 768, 12, 12, 16, 224],
      ['vit_base_patch16_siglip_256', 768, 12, 12, 16, 256],
      ['vit_base_patch16_siglip_384', 768, 12, 12, 16, 384],
      ['vit_base_patch16_siglip_512', 768, 12, 12, 16, 512],
      ['vit_large_patch16_siglip_256', 1024, 24, 16, 16, 256],
      ['vit_large_patch16_siglip_384', 1024, 24, 16, 16, 384],
    ],
  },
  {
    fields: { activation: 'gelu_tanh', classToken: false, pool: 'map' },
    models: [
      ['vit_base_patch32_siglip_256', 768, 12, 12, 32, 256],
      ['vit_giantopt_patch16_siglip_256', 1536, 40, 16, 16, 256],
      ['vit_giantopt_patch16_siglip_384', 1536, 40, 16, 16, 384],
      ['vit_large_patch16_siglip_512', 1024, 24, 16, 16, 512],
    ],
  },
  {
    fields: { activation: 'gelu_tanh', classToken: false, pool: 'mean' },
    models: [
      ['vit_base_patch32_siglip_gap_256', 768, 12, 12, 32, 256],
      ['vit_giantopt_patch16_siglip_gap_256', 1536, 40, 16, 16, 256],
      ['vit_giantopt_patch16_siglip_gap_384', 1536, 40, 16, 16, 384],
      ['vit_large_patch16_siglip_gap_512', 1024, 24, 16, 16, 512],
    ],
  },
  {
    fields: { qkvBias: false, layerScale: 1e-6, classToken: false, pool: 'mean' },
    models: [
      ['vit_betwixt_patch16_gap_256', 640, 12, 10, 16, 256],
      ['vit_medium_patch16_gap_240', 512, 12, 8, 16, 240],
      ['vit_medium_patch16_gap_256', 512, 12, 8, 16, 256],
      ['vit_medium_patch16_gap_384', 512, 12, 8, 16, 384],
    ],
  },
  {
    fields: { layerScale: 1e-5, classToken: false, registers: 1, posEmbedPrefix: false, finalNorm: false, pool: 'mean', fcNorm: true },
    models: [
      ['vit_betwixt_patch16_reg1_gap_256', 640, 12, 10, 16, 256],
      ['vit_medium_patch16_reg1_gap_256', 512, 12, 8, 16, 256],
    ],
  },
  {
    fields: { layerScale: 1e-5, classToken: false, registers: 4, posEmbedPrefix: false, finalNorm: false, pool: 'mean', fcNorm: true },
    models: [
      ['vit_betwixt_patch16_reg4_gap_256', 640, 12, 10, 16, 256],
      ['vit_betwixt_patch16_reg4_gap_384', 640, 12, 10, 16, 384],
      ['vit_medium_patch16_reg4_gap_256', 512, 12, 8, 16, 256],
      ['vit_mediumd_patch16_reg4_gap_256', 512, 20, 8, 16, 256],
      ['vit_mediumd_patch16_reg4_gap_384', 512, 20, 8, 16, 384],
    ],
  },
  {
    fields: { mlpRatio: 4.363636363636363 },
    models: [
      ['vit_giant_patch14_224', 1408, 40, 16, 14, 224],
    ],
  },
  {
    fields: { mlpRatio: 4.363636363636363, patchBias: false, preNorm: true, layerNormEps: 1e-5 },
    models: [
      ['vit_giant_patch14_clip_224', 1408, 40, 16, 14, 224],
    ],
  },
  {
    fields: { mlpRatio: 2.6666666666666665, swiglu: true, layerScale: 1e-5 },
    models: [
      ['vit_giant_patch14_dinov2', 1536, 40, 24, 14, 518],
    ],
  },
  {
    fields: { mlpRatio: 2.6666666666666665, swiglu: true, layerScale: 1, registers: 1, posEmbedPrefix: false },
    models: [
      ['vit_giant_patch14_reg1_tipsv2', 1536, 40, 24, 14, 448],
    ],
  },
  {
    fields: { mlpRatio: 2.6666666666666665, swiglu: true, layerScale: 1e-5, registers: 4, posEmbedPrefix: false },
    models: [
      ['vit_giant_patch14_reg4_dinov2', 1536, 40, 24, 14, 518],
    ],
  },
  {
    fields: { mlpRatio: 4.363636363636363, classToken: false, pool: 'mean' },
    models: [
      ['vit_giant_patch16_gap_224', 1408, 40, 16, 16, 224],
    ],
  },
  {
    fields: { registers: 7, posEmbedPrefix: false, finalNorm: false },
    models: [
      ['vit_giant_patch16_radio_v3', 1536, 40, 24, 16, 512],
      ['vit_huge_patch16_radio_v3', 1280, 32, 16, 16, 512],
    ],
  },
  {
    fields: { mlpRatio: 4.923076923076923 },
    models: [
      ['vit_gigantic_patch14_224', 1664, 48, 16, 14, 224],
    ],
  },
  {
    fields: { mlpRatio: 4.923076923076923, patchBias: false, preNorm: true, layerNormEps: 1e-5 },
    models: [
      ['vit_gigantic_patch14_clip_224', 1664, 48, 16, 14, 224],
      ['vit_gigantic_patch14_clip_378', 1664, 48, 16, 14, 378],
    ],
  },
  {
    fields: { mlpRatio: 4.923076923076923, patchBias: false, activation: 'quick_gelu', preNorm: true, layerNormEps: 1e-5 },
    models: [
      ['vit_gigantic_patch14_clip_quickgelu_224', 1664, 48, 16, 14, 224],
    ],
  },
  {
    fields: { registers: 9, posEmbedPrefix: false, finalNorm: false },
    models: [
      ['vit_huge_patch16_radio_v4', 1280, 32, 16, 16, 512],
    ],
  },
  {
    fields: { layerScale: 0.1, finalNorm: false },
    models: [
      ['vit_intern300m_patch14_448', 1024, 24, 16, 14, 448],
    ],
  },
  {
    fields: { mlpRatio: 5.6, layerScale: 1e-5, classToken: false, registers: 1, posEmbedPrefix: false, finalNorm: false, pool: 'mean', fcNorm: true },
    models: [
      ['vit_little_patch16_reg1_gap_256', 320, 14, 5, 16, 256],
    ],
  },
  {
    fields: { mlpRatio: 5.6, layerScale: 1e-5, classToken: false, registers: 4, posEmbedPrefix: false, finalNorm: false, pool: 'mean', fcNorm: true },
    models: [
      ['vit_little_patch16_reg4_gap_256', 320, 14, 5, 16, 256],
    ],
  },
  {
    fields: { mlpRatio: 2.6153846153846154, qkvBias: false, layerScale: 1e-5, classToken: false, registers: 1, registerPositions: true, finalNorm: false, pool: 'mean', fcNorm: true },
    models: [
      ['vit_so150m2_patch16_reg1_gap_256', 832, 21, 13, 16, 256],
      ['vit_so150m2_patch16_reg1_gap_384', 832, 21, 13, 16, 384],
      ['vit_so150m2_patch16_reg1_gap_448', 832, 21, 13, 16, 448],
    ],
  },
  {
    fields: { mlpRatio: 2.5714285714285716, classToken: false, registers: 4, registerPositions: true, pool: 'mean' },
    models: [
      ['vit_so150m_patch16_reg4_gap_256', 896, 18, 14, 16, 256],
      ['vit_so150m_patch16_reg4_gap_384', 896, 18, 14, 16, 384],
    ],
  },
  {
    fields: { mlpRatio: 2.5714285714285716, classToken: false, registers: 4, registerPositions: true, pool: 'map' },
    models: [
      ['vit_so150m_patch16_reg4_map_256', 896, 18, 14, 16, 256],
    ],
  },
  {
    fields: { mlpRatio: 3.736111111111111, layerScale: 1, registers: 1, posEmbedPrefix: false },
    models: [
      ['vit_so400m_patch14_reg1_tipsv2', 1152, 27, 16, 14, 448],
    ],
  },
  {
    fields: { mlpRatio: 3.736111111111111, classToken: false, pool: 'map' },
    models: [
      ['vit_so400m_patch14_siglip_224', 1152, 27, 16, 14, 224],
      ['vit_so400m_patch14_siglip_378', 1152, 27, 16, 14, 378],
      ['vit_so400m_patch14_siglip_384', 1152, 27, 16, 14, 384],
    ],
  },
  {
    fields: { mlpRatio: 3.736111111111111, classToken: false, pool: 'mean' },
    models: [
      ['vit_so400m_patch14_siglip_gap_224', 1152, 27, 16, 14, 224],
      ['vit_so400m_patch14_siglip_gap_378', 1152, 27, 16, 14, 378],
      ['vit_so400m_patch14_siglip_gap_384', 1152, 27, 16, 14, 384],
      ['vit_so400m_patch14_siglip_gap_448', 1152, 27, 16, 14, 448],
      ['vit_so400m_patch14_siglip_gap_896', 1152, 27, 16, 14, 896],
    ],
  },
  {
    fields: { mlpRatio: 3.736111111111111, registers: 9, posEmbedPrefix: false, finalNorm: false },
    models: [
      ['vit_so400m_patch16_radio_v4', 1152, 27, 16, 16, 512],
    ],
  },
  {
    fields: { mlpRatio: 3.736111111111111, activation: 'gelu_tanh', classToken: false, pool: 'map' },
    models: [
      ['vit_so400m_patch16_siglip_256', 1152, 27, 16, 16, 256],
      ['vit_so400m_patch16_siglip_384', 1152, 27, 16, 16, 384],
      ['vit_so400m_patch16_siglip_512', 1152, 27, 16, 16, 512],
    ],
  },
  {
    fields: { mlpRatio: 3.736111111111111, activation: 'gelu_tanh', classToken: false, pool: 'mean' },
    models: [
      ['vit_so400m_patch16_siglip_gap_256', 1152, 27, 16, 16, 256],
      ['vit_so400m_patch16_siglip_gap_384', 1152, 27, 16, 16, 384],
      ['vit_so400m_patch16_siglip_gap_512', 1152, 27, 16, 16, 512],
    ],
  },
  {
    fields: { mlpRatio: 5, layerScale: 1e-5, classToken: false, registers: 1, posEmbedPrefix: false, finalNorm: false, pool: 'mean', fcNorm: true },
    models: [
      ['vit_wee_patch16_reg1_gap_256', 256, 14, 4, 16, 256],
    ],
  },
  {
    fields: { layerScale: 1e-6, posEmbedPrefix: false },
    models: [
      ['deit3_base_patch16_224', 768, 12, 12, 16, 224],
      ['deit3_base_patch16_384', 768, 12, 12, 16, 384],
      ['deit3_huge_patch14_224', 1280, 32, 16, 14, 224],
      ['deit3_large_patch16_224', 1024, 24, 16, 16, 224],
      ['deit3_large_patch16_384', 1024, 24, 16, 16, 384],
      ['deit3_medium_patch16_224', 512, 12, 8, 16, 224],
      ['deit3_small_patch16_224', 384, 12, 6, 16, 224],
      ['deit3_small_patch16_384', 384, 12, 6, 16, 384],
    ],
  },
  {
    fields: { distilled: true },
    models: [
      ['deit_base_distilled_patch16_224', 768, 12, 12, 16, 224],
      ['deit_base_distilled_patch16_384', 768, 12, 12, 16, 384],
      ['deit_small_distilled_patch16_224', 384, 12, 6, 16, 224],
      ['deit_tiny_distilled_patch16_224', 192, 12, 3, 16, 224],
    ],
  },
];

/** Architectures that VitConfig cannot describe, by what each of them has. */
export const timmRefused: Readonly<Record<string, string>> = {
  'DiffAttention': 'vit_dlittle_patch16_reg1_gap_256 vit_dwee_patch16_reg1_gap_256',
  'DiffParallelScalingBlock blocks': 'vit_dpwee_patch16_reg1_gap_256',
  'ParallelScalingBlock blocks': 'vit_base_patch16_xp_224 vit_huge_patch14_xp_224 vit_large_patch14_xp_224 vit_pwee_patch16_reg1_gap_256',
  'ResPostBlock blocks': 'vit_base_patch16_rpn_224',
  'RmsNorm norms': 'test_vit4',
  'a norm in its patch embedding': 'aimv2_1b_patch14_224 aimv2_1b_patch14_336 aimv2_1b_patch14_448 aimv2_3b_patch14_224 aimv2_3b_patch14_336 aimv2_3b_patch14_448 aimv2_huge_patch14_224 aimv2_huge_patch14_336 aimv2_huge_patch14_448 aimv2_large_patch14_224 aimv2_large_patch14_336 aimv2_large_patch14_448',
  'a norm inside its attention': 'beit3_base_patch16_224 beit3_giant_patch14_224 beit3_giant_patch14_336 beit3_large_patch16_224',
};

/** timm's other modules, by the beginnings of their architectures' names. */
export const timmOtherModules: Readonly<Record<string, string>> = {
  beit: 'beit_ beitv',
  byoanet: 'botnet eca_botnext eca_halonext halo halonet halonet_ haloregnetz_ lambda_ lamhalobotnet sebotnet sehalonet',
  byobnet: 'bat_ eca_resnet eca_resnext gcresnet gcresnext gernet_ mobileone_ regnetz_b regnetz_c regnetz_d regnetz_e repvgg_ resnet101_ resnet32ts resnet33ts resnet50_clip resnet50_clip_ resnet50_mlp resnet50x resnet51q resnet61q resnext26ts seresnet33ts seresnext26ts test_byobnet',
  cait: 'cait_',
  coat: 'coat_',
  convit: 'convit_',
  convmixer: 'convmixer_',
  convnext: 'convnext_ convnextv test_convnext',
  cpubone: 'cpubone_',
  crossvit: 'crossvit_',
  csatv2: 'csatv',
  cspnet: 'cs3darknet_ cs3edgenet_ cs3se_ cs3sedarknet_ cspdarknet cspresnet cspresnext darknet darknetaa sedarknet',
  cspnext: 'cspnext_',
  davit: 'davit_',
  deepseek_vit: 'deepseek_',
  densenet: 'densenet densenetblur tv_densenet',
  dla: 'dla',
  dpn: 'dpn',
  edgenext: 'edgenext_',
  efficientformer: 'efficientformer_',
  efficientformer_v2: 'efficientformerv',
  efficientnet: 'efficientnet_ efficientnetv fbnetc_ gc_ mixnet_ mnasnet_ mobilenet_ mobilenetv1_ mobilenetv2_ semnasnet_ spnasnet_ test_efficientnet test_efficientnet_ tf_efficientnet_ tf_efficientnetv tf_mixnet_ tinynet_',
  efficientvim: 'efficientvim_',
  efficientvit_mit: 'efficientvit_b efficientvit_l',
  efficientvit_msra: 'efficientvit_m',
  eva: 'eva02_ eva_giant_ vit_5b_ vit_7b_ vit_base_patch16_dinov vit_base_patch16_lingbot vit_base_patch16_rope_ vit_base_patch16_sapiens vit_betwixt_patch16_rope_ vit_giant_patch16_lingbot vit_giant_patch16_sapiens vit_huge_patch16_sapiens vit_huge_plus_ vit_large_patch16_dinov vit_large_patch16_lingbot vit_large_patch16_rope_ vit_large_patch16_sapiens vit_medium_patch16_rope_ vit_mediumd_patch16_rope_ vit_pe_ vit_small_patch16_dinov vit_small_patch16_lingbot vit_small_patch16_rope_ vit_small_plus_ vit_tiny_patch16_dinov',
  fasternet: 'fasternet_',
  fastvit: 'fastvit_',
  focalnet: 'focalnet_',
  gcvit: 'gcvit_',
  gemma4_vit: 'gemma',
  ghostnet: 'ghostnet_ ghostnetv',
  hardcorenas: 'hardcorenas_',
  hgnet: 'hgnet_ hgnetv',
  hiera: 'hiera_',
  hieradet_sam2: 'hieradet_ sam2_',
  hrnet: 'hrnet_',
  iformer: 'iformer_',
  inception_next: 'inception_next_',
  inception_resnet_v2: 'ens_ inception_resnet_',
  inception_v3: 'adv_ gluon_inception_ inception_v3 tf_inception_',
  inception_v4: 'inception_v4',
  lcnetv2: 'lcnetv',
  levit: 'levit_',
  lowformer: 'lowformer_',
  mambaout: 'mambaout_ test_mambaout',
  maxxvit: 'coatnet_ coatnext_ maxvit_ maxxvit_ maxxvitv test_coatnet test_maxvit',
  metaformer: 'caformer_ convformer_ poolformer_ poolformerv',
  mlp_mixer: 'gmixer_ gmlp_ mixer_ resmlp_',
  mobilenetv3: 'fbnetv lcnet_ mobilenetv3_ mobilenetv4_ tf_mobilenetv',
  mobilenetv5: 'mobilenetv5_',
  mobilevit: 'mobilevit_ mobilevitv',
  mvitv2: 'mvitv',
  naflexvit: 'naflexvit_',
  nasnet: 'nasnetalarge',
  nest: 'jx_ nest_',
  nextvit: 'nextvit_',
  nfnet: 'dm_ eca_nfnet_ nf_ nfnet_ test_nfnet',
  pit: 'pit_',
  pnasnet: 'pnasnet',
  pvt_v2: 'pvt_',
  qwen3_vit: 'qwen',
  rdnet: 'rdnet_',
  regnet: 'regnetv_ regnetx_ regnety_ regnetz_005 regnetz_040 regnetz_040_ regnetz_040h',
  repghost: 'repghostnet_',
  repvit: 'repvit_',
  res2net: 'res2net res2next',
  resnest: 'resnest',
  resnet: 'ecaresnet ecaresnetlight ecaresnext gluon_resnet gluon_resnext gluon_senet gluon_seresnext ig_ resnet101 resnet101c resnet101d resnet101s resnet10t resnet14t resnet152 resnet152c resnet152d resnet152s resnet18 resnet18d resnet200 resnet200d resnet26 resnet26d resnet26t resnet34 resnet34d resnet50 resnet50_gn resnet50c resnet50d resnet50s resnet50t resnetaa resnetblur resnetrs resnext101_ resnext50_ resnext50d_ senet seresnet101 seresnet152 seresnet152d seresnet18 seresnet200d seresnet269d seresnet34 seresnet50 seresnet50t seresnetaa seresnext101_ seresnext101d_ seresnext26d_ seresnext26t_ seresnext26tn_ seresnext50_ seresnextaa ssl_ swsl_ test_resnet tv_resnet tv_resnext wide_',
  resnetv2: 'resnetv',
  rexnet: 'rexnet_ rexnetr_',
  selecsls: 'selecsls',
  senet: 'legacy_senet legacy_seresnet legacy_seresnext',
  sequencer: 'sequencer',
  shvit: 'shvit_',
  sknet: 'skresnet skresnext',
  starnet: 'starnet_',
  swiftformer: 'swiftformer_',
  swin_transformer: 'swin_',
  swin_transformer_v2: 'swinv2_base_ swinv2_large_ swinv2_small_ swinv2_tiny_',
  swin_transformer_v2_cr: 'swinv2_cr_',
  tiny_vit: 'tiny_',
  tnt: 'tnt_',
  tresnet: 'tresnet_',
  twins: 'twins_',
  vgg: 'vgg',
  visformer: 'visformer_',
  vision_transformer_hybrid: 'vit_base_mci_ vit_base_r vit_base_resnet vit_large_r vit_small_r vit_small_resnet vit_tiny_r_',
  vision_transformer_relpos: 'test_vit_ vit_relpos_ vit_srelpos_',
  vision_transformer_sam: 'samvit_',
  vitamin: 'vitamin_',
  volo: 'volo_',
  vovnet: 'eca_vovnet ese_ vovnet',
  xception: 'legacy_xception xception',
  xception_aligned: 'xception41 xception41p xception65 xception65p xception71',
  xcit: 'xcit_',
};
