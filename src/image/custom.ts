import { UserError } from '../errors.js';
import {
  channels,
  cropRatio,
  deviations,
  interpolationNamed,
  ofUnit,
  pixelPair,
  shown,
} from './checkPreprocessing.js';
import { preprocessingFor, presetNames } from './presets.js';
import { borderLevels, type CropMode, cropModes, timmResize } from './timm.js';
import type { Preprocessing } from './types.js';

/** What a caller or a command line changes of a preset; what is left out stays as the preset has it. */
export interface PreprocessingSettings {
  /** One number, or one for each of R, G and B, on levels scaled to 0…1. */
  readonly mean?: number | readonly number[];
  readonly std?: number | readonly number[];
  /** A name of Pillow's filters: nearest, box, bilinear, hamming, bicubic or lanczos. */
  readonly interpolation?: string;
  /** Input size divided by the size that the image is scaled to (timm's crop_pct), in (0, 1]. */
  readonly crop?: number;
  /** timm's crop_mode: `center`, `squash` or `border`. */
  readonly cropMode?: string;
  /** The model's input [height, width] in pixels. */
  readonly size?: readonly [number, number];
}

const NAMES = ['mean', 'std', 'interpolation', 'crop', 'cropMode', 'size'];

/**
 * The preprocessing with some of its settings changed; its preset is then called `custom`. Without settings, `base`
 * itself.
 *
 * @throws UserError for a setting that is unknown or of no use (a std of 0, NaN, a ratio above 1)
 */
export function customPreprocessing(base: Preprocessing, settings: PreprocessingSettings): Preprocessing {
  const unknown = Object.keys(settings).find((name) => !NAMES.includes(name));
  if (unknown)
    throw new UserError(`${shown(unknown)} is no setting of preprocessing; expected ${NAMES.join(', ')}`);
  if (Object.values(settings).every((value) => value === undefined)) return base;
  const mean = settings.mean === undefined ? base.mean : ofUnit(channels(settings.mean, 'mean'), 'mean');
  const std = settings.std === undefined ? base.std : ofUnit(deviations(settings.std, 'std'), 'std');
  const { interpolation: named, ...sized } = resized(base, settings, mean);
  const interpolation =
    settings.interpolation === undefined
      ? named
      : interpolationNamed(settings.interpolation, 'interpolation');
  return {
    ...sized,
    ...(interpolation !== undefined && interpolation !== 'bicubic' && { interpolation }),
    preset: 'custom',
    mean,
    std,
  };
}

/** The base with the size, ratio and mode of the settings. */
function resized(
  base: Preprocessing,
  settings: PreprocessingSettings,
  mean: Preprocessing['mean'],
): Preprocessing {
  const crop = settings.size === undefined ? base.crop : pixelPair(settings.size, 'size');
  const mode = settings.cropMode === undefined ? undefined : cropModeNamed(settings.cropMode);
  if (settings.crop === undefined && mode === undefined) {
    if (settings.size === undefined) return base;
    if (presetNames.includes(base.preset)) {
      const atSize = preprocessingFor(base.preset, crop);
      return { ...atSize, ...(base.interpolation && { interpolation: base.interpolation }) };
    }
    throw new UserError(
      `size: the preset ${base.preset} does not say how images are scaled to another size; give crop too`,
    );
  }
  const scaled =
    settings.crop === undefined ? scaledSize(base) : byRatio(crop, cropRatio(settings.crop, 'crop'));
  const wanted = mode ?? modeOf(base);
  const { fill: _, ...rest } = base;
  const resize = timmResize(wanted, scaled);
  return { ...rest, resize, crop, ...(wanted === 'border' && { fill: borderLevels(mean) }) };
}

function byRatio([height, width]: readonly [number, number], ratio: number): [number, number] {
  return [Math.floor(height / ratio), Math.floor(width / ratio)];
}

function cropModeNamed(name: string): CropMode {
  const mode = cropModes.find((known) => known === name);
  if (mode) return mode;
  throw new UserError(`cropMode is ${shown(name)}; expected one of ${cropModes.join(', ')}`);
}

function modeOf({ resize }: Preprocessing): CropMode {
  if (resize.mode === 'fit') return 'border';
  return resize.mode === 'squash' ? 'squash' : 'center';
}

/** [height, width] that images are scaled to, with one side or both. */
function scaledSize({ resize, crop }: Preprocessing): readonly [number, number] {
  if (resize.mode === 'none') return crop;
  return resize.mode === 'short' ? [resize.size, resize.size] : [resize.height, resize.width];
}
