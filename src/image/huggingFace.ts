/**
 * Hugging Face's image processors, by the preprocessor_config.json beside a model. The reference is their PIL backend
 * (the `…ImageProcessorPil` of transformers 5, the slow ones of transformers 4), byte for byte. Where torchvision is
 * installed transformers 5 takes its own resize of tensors, which is off by a level here and there.
 */
import { UserError } from '../errors.js';
import {
  channels,
  deviations,
  type Fields,
  factor,
  isObject,
  pixelPair,
  pixels,
  shown,
} from './checkPreprocessing.js';
import type { Interpolation, Preprocessing, Resize } from './types.js';

/** Pillow's codes of the filters, which stand in `resample`. */
export const resampleCodes: readonly Interpolation[] = [
  'nearest',
  'lanczos',
  'bilinear',
  'bicubic',
  'box',
  'hamming',
];

const OPENAI_MEAN = [0.48145466, 0.4578275, 0.40821073];
const OPENAI_STD = [0.26862954, 0.26130258, 0.27577711];

/** What a processor does when its file does not say. */
interface ProcessorDefaults {
  readonly resample: number;
  readonly mean: unknown;
  readonly std: unknown;
  readonly size: unknown;
  /** Whether a size of one number is both sides, not the short one. */
  readonly square: boolean;
  /** No crop if left out. */
  readonly crop?: number;
}

const clip: ProcessorDefaults = {
  resample: 3,
  mean: OPENAI_MEAN,
  std: OPENAI_STD,
  size: { shortest_edge: 224 },
  square: false,
  crop: 224,
};

/** The class attributes of transformers' image processors, by their names without `ImageProcessor`. */
const processors: Readonly<Record<string, ProcessorDefaults>> = {
  ViT: { resample: 2, mean: 0.5, std: 0.5, size: 224, square: true },
  DeiT: { resample: 3, mean: 0.5, std: 0.5, size: 256, square: true, crop: 224 },
  Bit: clip,
  CLIP: clip,
  ChineseCLIP: clip,
  Siglip: { resample: 3, mean: 0.5, std: 0.5, size: { height: 224, width: 224 }, square: false },
};

/** Fields that would change the pixels and that none of these processors has. */
const FOREIGN = [
  'do_pad',
  'do_flip_channel_order',
  'do_thumbnail',
  'do_align_long_axis',
  'do_crop_margin',
  'crop_pct',
];

/**
 * The preprocessing that a preprocessor_config.json describes, of either generation: ViT's, DeiT's, BiT's (DINOv2),
 * CLIP's or SigLIP's image processor or feature extractor. `where` begins the errors, e.g. the file's name.
 *
 * @throws UserError for another processor, a field of no use, and where images of other sizes would give inputs of
 *   other sizes
 */
export function huggingFacePreprocessing(config: Fields, where: string): Preprocessing {
  const defaults = processorDefaults(config, where);
  const foreign = FOREIGN.find((name) => config[name]);
  if (foreign) throw new UserError(`${where}: ${foreign} is not supported`);
  const resize = flag(config, 'do_resize', true, where) ? resizeOf(config, defaults, where) : noResize;
  const crop = flag(config, 'do_center_crop', defaults.crop !== undefined, where)
    ? sizePair(config.crop_size ?? defaults.crop, `${where}: crop_size`)
    : inputOf(resize, where);
  const rescaleFactor = flag(config, 'do_rescale', true, where)
    ? factor(config.rescale_factor ?? 1 / 255, `${where}: rescale_factor`)
    : 1;
  const interpolation = interpolationOf(config.resample ?? defaults.resample, where);
  const normalized = flag(config, 'do_normalize', true, where);
  return {
    preset: 'preprocessor_config.json',
    resize,
    ...(interpolation !== 'bicubic' && { interpolation }),
    crop,
    ...(!alwaysEven(resize, crop) && { cropRounding: 'down' as const }),
    ...(rescaleFactor !== 1 / 255 && { rescaleFactor }),
    mean: normalized ? channels(config.image_mean ?? defaults.mean, `${where}: image_mean`) : [0, 0, 0],
    std: normalized ? deviations(config.image_std ?? defaults.std, `${where}: image_std`) : [1, 1, 1],
  };
}

const noResize: Resize = { mode: 'none' };

function processorDefaults(config: Fields, where: string): ProcessorDefaults {
  const name = config.image_processor_type ?? config.feature_extractor_type;
  const family = /^(\w+?)(ImageProcessor|FeatureExtractor)(Fast|Pil)?$/.exec(String(name))?.[1];
  if (family && Object.hasOwn(processors, family)) return processors[family]!;
  const known = Object.keys(processors).map((key) => `${key}ImageProcessor`);
  throw new UserError(
    `${where}: image_processor_type is ${shown(name)}; expected one of ${known.join(', ')}`,
  );
}

function flag(config: Fields, name: string, standard: boolean, where: string): boolean {
  const value = config[name] ?? standard;
  if (typeof value === 'boolean') return value;
  throw new UserError(`${where}: ${name} is ${shown(value)}; expected true or false`);
}

function interpolationOf(code: unknown, where: string): Interpolation {
  const interpolation = typeof code === 'number' ? resampleCodes[code] : undefined;
  if (interpolation) return interpolation;
  throw new UserError(`${where}: resample is ${shown(code)}; expected one of Pillow's codes, 0 to 5`);
}

function resizeOf(config: Fields, defaults: ProcessorDefaults, where: string): Resize {
  const size = config.size ?? defaults.size;
  const what = `${where}: size`;
  // default_to_square is about a number in the file; a class's own size has its sides named.
  const square =
    config.size === undefined ? defaults.square : flag(config, 'default_to_square', defaults.square, where);
  if (typeof size === 'number' && !square) return { mode: 'short', size: pixels(size, what) };
  if (!isObject(size) || 'height' in size) {
    const [height, width] = sizePair(size, what);
    return { mode: 'squash', height, width };
  }
  if ('shortest_edge' in size) {
    const short = pixels(size.shortest_edge, `${what}.shortest_edge`);
    const longest = size.longest_edge ?? undefined;
    if (longest === undefined) return { mode: 'short', size: short };
    return { mode: 'short', size: short, longest: pixels(longest, `${what}.longest_edge`) };
  }
  throw new UserError(`${what} is ${shown(size)}; expected height and width, or shortest_edge`);
}

/** [height, width] of {height, width}, of a pair, or of one number for both. */
function sizePair(size: unknown, what: string): [number, number] {
  if (Array.isArray(size)) return pixelPair(size, what);
  if (isObject(size)) return [pixels(size.height, `${what}.height`), pixels(size.width, `${what}.width`)];
  return [pixels(size, what), pixels(size, what)];
}

/** The size of the input where nothing is cropped. */
function inputOf(resize: Resize, where: string): [number, number] {
  if (resize.mode === 'squash') return [resize.height, resize.width];
  throw new UserError(
    `${where}: without do_center_crop, images of other shapes would give inputs of other sizes; set do_center_crop and crop_size`,
  );
}

/** Whether the crop of every image leaves an even number of pixels, so that nothing is rounded. */
function alwaysEven(resize: Resize, [height, width]: readonly [number, number]): boolean {
  if (resize.mode !== 'squash') return false;
  return (resize.height - height) % 2 === 0 && (resize.width - width) % 2 === 0;
}
