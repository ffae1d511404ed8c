/**
 * How each code base prepares ImageNet's pictures for evaluation. The same weights give other numbers under
 * another preset, so published accuracies belong to one of these.
 */

/** What a preset does for one range of input sizes. */
export interface PresetRule {
  /** The rule holds for inputs whose longer side is at least this many pixels, up to the next rule's. */
  readonly fromSize: number;
  /** `short`: scale the short side, keeping the ratio; `squash`: scale both sides, giving the ratio up. */
  readonly mode: 'short' | 'squash';
  /** Input size divided by the size that the picture is scaled to; that size is truncated to whole pixels. */
  readonly cropRatio: number;
}

export interface Preset {
  /** Where the preset's numbers stand. */
  readonly source: string;
  /** In rising order of fromSize, the first from 0. */
  readonly rules: readonly PresetRule[];
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

const imagenetMean = [0.485, 0.456, 0.406] as const;
const imagenetStd = [0.229, 0.224, 0.225] as const;

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
      { fromSize: 0, mode: 'short', cropRatio: 0.9 },
      { fromSize: 384, mode: 'short', cropRatio: 1 },
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
};
