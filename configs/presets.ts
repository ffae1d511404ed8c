/**
 * How each code base prepares ImageNet's images for evaluation. The same weights give other numbers under
 * another preset, so published accuracies belong to one of these.
 */

/** What a preset does for one range of input sizes. */
export interface PresetRule {
  /** The rule holds for inputs whose longer side is at least this many pixels, up to the next rule's. */
  readonly fromSize: number;
  /**
   * `short`: scale the short side, keeping the ratio; `squash`: scale both sides, giving the ratio up; `timm`: as timm's
   * crop mode `center`, which is `short` for square inputs and covers the others.
   */
  readonly mode: 'short' | 'squash' | 'timm';
  /** Input size divided by the size that the image is scaled to; that size is truncated to whole pixels. */
  readonly cropRatio: number;
}

export interface Preset {
  /** Where the preset's numbers stand. */
  readonly source: string;
  /** In rising order of fromSize, the first from 0. */
  readonly rules: readonly PresetRule[];
  /** Pillow's filter; `bicubic` if left out. */
  readonly interpolation?: 'bilinear';
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const imagenetMean = [0.485, 0.456, 0.406] as const;
const imagenetStd = [0.229, 0.224, 0.225] as const;
const half = [0.5, 0.5, 0.5] as const;
const openaiMean = [0.48145466, 0.4578275, 0.40821073] as const;
const openaiStd = [0.26862954, 0.26130258, 0.27577711] as const;

export const presets: Readonly<Record<string, Preset>> = {
  // 224: short side 256; 384: short side 438.
  deit: {
    source: 'facebookresearch/deit, datasets.py: Resize(int(input_size / 0.875)), CenterCrop(input_size)',
    rules: [{ fromSize: 0, mode: 'short', cropRatio: 0.875 }],
    mean: imagenetMean,
    std: imagenetStd,
  },
  // 224: short side 248; 384: short side 384.
  timm: {
    source: 'timm, models/deit.py: crop_pct 0.9, and 1.0 for the 384-pixel models',
    rules: [
      { fromSize: 0, mode: 'timm', cropRatio: 0.9 },
      { fromSize: 384, mode: 'timm', cropRatio: 1 },
    ],
    mean: imagenetMean,
    std: imagenetStd,
  },
  // 224: short side 256; 384: squashed to 384 × 384. Mean 123.675, 116.28, 103.53 and std 58.395, 57.12, 57.375
  // on levels 0…255 are ImageNet's on 0…1.
  mmpretrain: {
    source: 'mmpretrain, configs/deit: ResizeEdge(256, short, pillow bicubic), CenterCrop(224); Resize(384)',
    rules: [
      { fromSize: 0, mode: 'short', cropRatio: 0.875 },
      { fromSize: 384, mode: 'squash', cropRatio: 1 },
    ],
    mean: imagenetMean,
    std: imagenetStd,
  },
  // 224: short side 224; 384: short side 384.
  deit3: {
    source: 'facebookresearch/deit, README_revenge.md: --eval-crop-ratio 1.0',
    rules: [{ fromSize: 0, mode: 'short', cropRatio: 1 }],
    mean: imagenetMean,
    std: imagenetStd,
  },
  // 224: squashed to 256 × 256; 384: to 438 × 438.
  huggingface: {
    source: 'Hugging Face, preprocessor_config.json of facebook/deit-*: size 256 or 438, crop 224 or 384',
    rules: [{ fromSize: 0, mode: 'squash', cropRatio: 0.875 }],
    mean: imagenetMean,
    std: imagenetStd,
  },
  // 224: short side 248; 384: short side 384.
  augreg: {
    source:
      'timm, models/vision_transformer.py: augreg and orig models, crop_pct 0.9, and 1.0 at 384; mean and std 0.5',
    rules: [
      { fromSize: 0, mode: 'timm', cropRatio: 0.9 },
      { fromSize: 384, mode: 'timm', cropRatio: 1 },
    ],
    mean: half,
    std: half,
  },
  // Squashed to the input size.
  'huggingface-vit': {
    source:
      'Hugging Face, preprocessor_config.json of google/vit-*: size 224 or 384, resample 2, mean and std 0.5',
    rules: [{ fromSize: 0, mode: 'squash', cropRatio: 1 }],
    interpolation: 'bilinear',
    mean: half,
    std: half,
  },
  // 224: short side 256.
  torchvision: {
    source:
      'torchvision, models/vision_transformer.py: IMAGENET1K_V1 of vit_b_16, vit_b_32, vit_l_32, resize_size 256',
    rules: [{ fromSize: 0, mode: 'short', cropRatio: 0.875 }],
    interpolation: 'bilinear',
    mean: imagenetMean,
    std: imagenetStd,
  },
  // 224: short side 242.
  'torchvision-l16': {
    source: 'torchvision, models/vision_transformer.py: ViT_L_16_Weights.IMAGENET1K_V1, resize_size 242',
    rules: [{ fromSize: 0, mode: 'short', cropRatio: 0.925 }],
    interpolation: 'bilinear',
    mean: imagenetMean,
    std: imagenetStd,
  },
  // Short side as the input, at 224, 384, 512 and 518.
  'torchvision-swag': {
    source:
      'torchvision, models/vision_transformer.py: IMAGENET1K_SWAG_E2E_V1 and _LINEAR_V1, resize_size as crop_size',
    rules: [{ fromSize: 0, mode: 'short', cropRatio: 1 }],
    mean: imagenetMean,
    std: imagenetStd,
  },
  // 224: short side 256; 518: short side 518.
  dinov2: {
    source:
      'facebookresearch/dinov2, data/transforms.py, and Hugging Face facebook/dinov2-*: 256, crop 224; timm at 518: crop_pct 1.0',
    rules: [
      { fromSize: 0, mode: 'timm', cropRatio: 0.875 },
      { fromSize: 518, mode: 'timm', cropRatio: 1 },
    ],
    mean: imagenetMean,
    std: imagenetStd,
  },
  // Short side as the input.
  clip: {
    source: 'openai/CLIP, clip.py: Resize(n_px, BICUBIC), CenterCrop(n_px); Hugging Face openai/clip-vit-*',
    rules: [{ fromSize: 0, mode: 'short', cropRatio: 1 }],
    mean: openaiMean,
    std: openaiStd,
  },
  // Squashed to the input size.
  siglip: {
    source:
      'Hugging Face, preprocessor_config.json of google/siglip-*: height and width, resample 3, mean and std 0.5',
    rules: [{ fromSize: 0, mode: 'squash', cropRatio: 1 }],
    mean: half,
    std: half,
  },
  // 224: short side 256; larger: short side as the input.
  mae: {
    source: 'facebookresearch/mae, util/datasets.py: crop_pct 224 / 256 up to 224 pixels, 1.0 above; bicubic',
    rules: [
      { fromSize: 0, mode: 'short', cropRatio: 0.875 },
      { fromSize: 225, mode: 'short', cropRatio: 1 },
    ],
    mean: imagenetMean,
    std: imagenetStd,
  },
};
