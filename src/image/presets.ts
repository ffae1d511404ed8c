import { type PresetRule, presets } from '../../configs/presets.js';
import { checkArguments } from '../checkArguments.js';
import { UserError } from '../errors.js';
import { frozen } from '../frozen.js';
import { timmResize } from './timm.js';
import type { Preprocessing, Resize } from './types.js';

/** Names of the presets, in the order of the table. */
export const presetNames: readonly string[] = /* @__PURE__ */ Object.freeze(Object.keys(presets));

/**
 * The preprocessing of a preset for an input of `imgSize` [height, width] pixels.
 *
 * A preset's published sizes (224 and 384) follow from a crop ratio, and other sizes by the same ratio: the image
 * is scaled to trunc(size / ratio). For an input that is not square, `short` takes the longer side as the size, so
 * that the crop never reaches outside the image, `squash` scales height and width each by its own, and timm's presets
 * scale the image so that it just covers both.
 *
 * Throws a UserError for an unknown name.
 */
export function preprocessingFor(preset: string, imgSize: readonly [number, number]): Preprocessing {
  checkArguments('preprocessingFor', { preset: ['text', preset], imgSize: ['imageSize', imgSize] });
  if (!Object.hasOwn(presets, preset)) {
    throw new UserError(`unknown preset '${preset}': expected one of ${presetNames.join(', ')}`);
  }
  const { rules, interpolation, mean, std } = presets[preset]!;
  const [height, width] = imgSize;
  const longer = Math.max(height, width);
  const rule = rules.findLast(({ fromSize }) => longer >= fromSize)!;
  const scaled = (size: number) => Math.floor(size / rule.cropRatio);
  return frozen({
    preset,
    resize: resizeBy(rule.mode, scaled(height), scaled(width)),
    ...(interpolation && { interpolation }),
    crop: [height, width],
    mean,
    std,
  });
}

function resizeBy(mode: PresetRule['mode'], height: number, width: number): Resize {
  if (mode === 'short') return { mode, size: Math.max(height, width) };
  return timmResize(mode === 'timm' ? 'center' : mode, [height, width]);
}
