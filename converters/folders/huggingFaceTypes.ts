import type { VitConfig } from '../../src/families/vit/config.js';

/** What a class of transformers computes on its model's tokens. */
export interface HuggingFaceClass {
  /** Whether it has a classifier, which id2label is about. */
  readonly classifies?: boolean;
  /** Fields that are this class's own. */
  readonly fields?: Partial<VitConfig>;
}

/** A `model_type` of transformers 5.24: the defaults of its configuration, and its classes. */
export interface HuggingFaceType {
  /** Defaults of the configuration class, for fields that config.json leaves out. */
  readonly defaults: {
    readonly hidden_size: number;
    readonly num_hidden_layers: number;
    readonly num_attention_heads: number;
    readonly intermediate_size?: number;
    readonly mlp_ratio?: number;
    readonly hidden_act: string;
    readonly layer_norm_eps: number;
    readonly image_size: number;
    readonly patch_size: number;
    readonly num_channels: number;
    readonly num_register_tokens?: number;
  };
  /** Image processor that AutoImageProcessor takes if preprocessor_config.json names none. */
  readonly processor: string;
  /** Whether the model resamples its position embeddings for images of any size. */
  readonly anySize?: boolean;
  /** Whether what describes images is a part of the configuration, beside what describes texts. */
  readonly hasVisionPart?: boolean;
  /** Fields that every model of the type has. */
  readonly fields: Partial<VitConfig>;
  readonly classes: Readonly<Record<string, HuggingFaceClass>>;
}

const base = {
  hidden_size: 768,
  num_hidden_layers: 12,
  num_attention_heads: 12,
  intermediate_size: 3072,
  hidden_act: 'gelu',
  layer_norm_eps: 1e-12,
  image_size: 224,
  patch_size: 16,
  num_channels: 3,
} as const;
const { intermediate_size: _, ...dinov2 } = { ...base, mlp_ratio: 4, layer_norm_eps: 1e-6 };
const oneToken = { classToken: true, distilled: false } as const;

/** CLIP's vision tower, and those of models that differ from it in their texts alone. */
const clipVision = (family: string, processor = 'CLIPImageProcessor'): HuggingFaceType => ({
  defaults: { ...base, hidden_act: 'quick_gelu', layer_norm_eps: 1e-5, patch_size: 32 },
  processor,
  fields: { ...oneToken, patchBias: false, preNorm: true, qkvBias: true },
  classes: {
    [`${family}Model`]: {},
    [`${family}VisionModel`]: {},
    [`${family}VisionModelWithProjection`]: {},
    // Its classifier reads the mean of the patch tokens before the last norm.
    [`${family}ForImageClassification`]: { classifies: true, fields: { pool: 'mean', finalNorm: false } },
  },
});
const chineseClip = clipVision('ChineseCLIP', 'ChineseCLIPImageProcessor');

const siglipVision: HuggingFaceType = {
  defaults: { ...base, hidden_act: 'gelu_pytorch_tanh', layer_norm_eps: 1e-6 },
  processor: 'SiglipImageProcessor',
  fields: { classToken: false, distilled: false, qkvBias: true },
  classes: {
    SiglipModel: { fields: { pool: 'map' } },
    SiglipVisionModel: { fields: { pool: 'map' } },
    SiglipForImageClassification: { classifies: true, fields: { pool: 'mean' } },
  },
};

export const huggingFaceTypes: Readonly<Record<string, HuggingFaceType>> = {
  vit: {
    defaults: base,
    processor: 'ViTImageProcessor',
    fields: oneToken,
    classes: {
      ViTModel: {},
      ViTForImageClassification: { classifies: true },
      ViTForMaskedImageModeling: {},
    },
  },
  deit: {
    defaults: base,
    processor: 'DeiTImageProcessor',
    fields: { classToken: true, distilled: true },
    classes: {
      DeiTModel: { fields: { distilledHead: false } },
      DeiTForMaskedImageModeling: { fields: { distilledHead: false } },
      DeiTForImageClassification: { classifies: true, fields: { distilledHead: false } },
      DeiTForImageClassificationWithTeacher: { classifies: true, fields: { distilledHead: true } },
    },
  },
  dinov2: {
    defaults: { ...dinov2, patch_size: 14 },
    processor: 'BitImageProcessor',
    anySize: true,
    fields: oneToken,
    classes: {
      Dinov2Model: {},
      Dinov2Backbone: {},
      Dinov2ForImageClassification: { classifies: true, fields: { pool: 'token_mean' } },
    },
  },
  dinov2_with_registers: {
    defaults: { ...dinov2, num_register_tokens: 4 },
    processor: 'BitImageProcessor',
    anySize: true,
    fields: oneToken,
    classes: {
      Dinov2WithRegistersModel: {},
      Dinov2WithRegistersBackbone: {},
      Dinov2WithRegistersForImageClassification: { classifies: true, fields: { pool: 'token_mean' } },
    },
  },
  vit_mae: {
    defaults: base,
    processor: 'ViTImageProcessor',
    fields: oneToken,
    classes: { ViTMAEModel: {}, ViTMAEForPreTraining: {} },
  },
  vit_msn: {
    defaults: { ...base, layer_norm_eps: 1e-6 },
    processor: 'ViTImageProcessor',
    fields: oneToken,
    classes: { ViTMSNModel: {}, ViTMSNForImageClassification: { classifies: true } },
  },
  ijepa: {
    defaults: base,
    processor: 'ViTImageProcessor',
    fields: { classToken: false, distilled: false, pool: 'mean' },
    classes: { IJepaModel: {}, IJepaForImageClassification: { classifies: true } },
  },
  clip: { ...clipVision('CLIP'), hasVisionPart: true },
  clip_vision_model: clipVision('CLIP'),
  metaclip_2: { ...clipVision('MetaClip2'), hasVisionPart: true },
  metaclip_2_vision_model: clipVision('MetaClip2'),
  chinese_clip: { ...chineseClip, hasVisionPart: true },
  chinese_clip_vision_model: chineseClip,
  siglip: { ...siglipVision, hasVisionPart: true },
  siglip_vision_model: siglipVision,
};

/** Model types that look like a ViT and are none of this family, by their own names. */
export const foreignTypes: Readonly<Record<string, string>> = {
  beit: 'BEiT: relative position biases in its attention',
  'data2vec-vision': 'Data2Vec: a BEiT, with relative position biases in its attention',
  cait: 'CaiT: class attention',
  swin: 'Swin: shifted windows',
  swinv2: 'Swin v2: shifted windows',
  dinov3_vit: 'DINOv3: rotary position embeddings',
  dinov3_convnext: 'a ConvNeXt',
  hiera: 'Hiera: a hierarchy of stages',
  eva: 'EVA: rotary position embeddings',
  vit_hybrid: 'a hybrid ViT with a ResNet stem',
  vitdet: 'ViTDet: windowed attention',
  convnext: 'a ConvNeXt',
  convnextv2: 'a ConvNeXt',
  cvt: 'CvT: convolutional projections',
  levit: 'LeViT: a hierarchy of stages',
  mobilevit: 'MobileViT: convolutions between attention',
  pvt: 'PVT: a hierarchy of stages',
  pvt_v2: 'PVT: a hierarchy of stages',
  poolformer: 'PoolFormer: no attention',
  resnet: 'a ResNet',
  regnet: 'a RegNet in Hugging Face naming; timm and torchvision naming is read (loadRegnet)',
  segformer: 'SegFormer: a hierarchy of stages',
  siglip2: 'SigLIP 2 of flexible resolution (NaFlex)',
  siglip2_vision_model: 'SigLIP 2 of flexible resolution (NaFlex)',
  videomae: 'VideoMAE: a model of videos',
  vivit: 'ViViT: a model of videos',
  dpt: 'DPT: a model of depth',
  pixtral: 'Pixtral: rotary position embeddings',
};
