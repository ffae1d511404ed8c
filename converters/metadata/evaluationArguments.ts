/** How training scripts evaluate, by the arguments that they keep: torchvision's, DeiT's, MAE's and their descendants'. */
import { channels, cropRatio, deviations, interpolationNamed } from '../../src/image/checkPreprocessing.js';
import { preprocessingFor } from '../../src/image/presets.js';
import type { Preprocessing, Resize } from '../../src/image/types.js';
import type { Assumption, Facts } from '../facts.js';
import { orByPreset } from '../orByPreset.js';
import type { Entries } from './entries.js';

/** What arguments tell of images. */
export type EvaluationFacts = Pick<Facts, 'preprocessing' | 'assumptions'>;

/** `args.mean` and `args.std` of a script of one's own, or of another dict; undefined if they are no channels'. */
export function normalizationOf(entries: Entries, dict: string): Facts['normalization'] {
  const [mean, std] = [entries.list(`${dict}.mean`), entries.list(`${dict}.std`)];
  if (!mean || !std) return undefined;
  // Other programs' numbers: three above 0 and at most 1, or they mean something else.
  const fits = (values: readonly unknown[]) =>
    values.length === 3 && values.every((value) => typeof value === 'number' && value >= 0 && value <= 1);
  if (!fits(mean) || !fits(std)) return undefined;
  return orByPreset(() => ({
    value: { mean: channels(mean, `${dict}.mean`), std: deviations(std, `${dict}.std`) },
    source: `${dict}.mean and std`,
  }));
}

/** ClassificationPresetEval of torchvision's references: Resize(val_resize_size), CenterCrop(val_crop_size). */
export function torchvisionEvaluation(entries: Entries): EvaluationFacts {
  const [size, crop] = [entries.number('args.val_resize_size'), entries.number('args.val_crop_size')];
  if (size === undefined || crop === undefined) return {};
  const { interpolation: _, ...base } = preprocessingFor('torchvision', [crop, crop]);
  const named = entries.text('args.interpolation') ?? 'bilinear';
  const filter = orByPreset(() => interpolationNamed(named, 'args.interpolation'));
  const value: Preprocessing = {
    ...base,
    preset: 'args',
    resize: { mode: 'short', size },
    ...(filter !== 'bicubic' && { interpolation: filter }),
  };
  return { preprocessing: { value, source: 'args.val_crop_size' } };
}

const INCEPTION = [0.5, 0.5, 0.5] as const;

/** build_transform of DeiT's main.py, MAE's util/datasets.py, and of BEiT's and ConvNeXt's datasets.py. */
export function facebookEvaluation(entries: Entries, isMae: boolean): EvaluationFacts {
  const size = entries.number('args.input_size');
  if (size === undefined) return {};
  const source = 'args.input_size';
  if (isMae)
    return { preprocessing: { value: { ...preprocessingFor('mae', [size, size]), preset: 'args' }, source } };
  const deit = preprocessingFor('deit', [size, size]);
  // BEiT's and ConvNeXt's scripts have this flag: without it they take Inception's mean and deviation.
  const isInception = entries.flag('args.imagenet_default_mean_and_std') === false;
  const { resize, assumptions } = facebookResize(entries, size);
  const isDeit = JSON.stringify(resize) === JSON.stringify(deit.resize) && !isInception;
  const normalization = isInception ? { mean: INCEPTION, std: INCEPTION } : {};
  const value: Preprocessing = isDeit ? deit : { ...deit, ...normalization, preset: 'args', resize };
  return { preprocessing: { value, source }, ...(assumptions.length > 0 && { assumptions }) };
}

interface FoundResize {
  readonly resize: Resize;
  readonly assumptions: readonly Assumption[];
}

function facebookResize(entries: Entries, size: number): FoundResize {
  const squash: Resize = { mode: 'squash', height: size, width: size };
  const assumed = (why: string): readonly Assumption[] => [
    { field: 'preprocessing', value: `resize of args.input_size ${size}`, why },
  ];
  if (size <= 32) {
    const why = `args.input_size is ${size}: such scripts take images of up to 32 pixels as they are; those of another size are squashed to it here; --preset says otherwise`;
    return { resize: squash, assumptions: assumed(why) };
  }
  const told = entries.number('args.crop_pct') ?? entries.number('args.eval_crop_ratio');
  const isDescendant = entries.has('args.imagenet_default_mean_and_std');
  const standard = isDescendant && size >= 384 ? 1 : 0.875;
  const ratio = orByPreset(() => cropRatio(told ?? standard, 'args.crop_pct'));
  const short: Resize = { mode: 'short', size: Math.trunc(size / ratio) };
  if (!isDescendant || size < 384) return { resize: short, assumptions: [] };
  const isConvNeXt = entries.has('args.head_init_scale');
  const why = `args are those of BEiT's or ConvNeXt's script; from 384 pixels on the first scales the short side, the second squashes, as ${isConvNeXt ? 'is done here by args.head_init_scale' : 'is not done here'}; --preset says otherwise`;
  return { resize: isConvNeXt ? squash : short, assumptions: assumed(why) };
}
