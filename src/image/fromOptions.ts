import { customPreprocessing, type PreprocessingSettings } from './custom.js';
import { preprocessingFor } from './presets.js';
import type { Preprocessing } from './types.js';

/** What a caller or a command line says of how images are prepared. */
export interface PreprocessingOptions extends Omit<PreprocessingSettings, 'size'> {
  /** Name of a preset, which takes the place of what the model says. */
  readonly preset?: string;
}

/**
 * The preprocessing of a model, changed as the options say: a preset at the model's input size, then single settings.
 *
 * @throws UserError for an unknown preset or a setting of no use
 */
export function preprocessingFromOptions(
  base: Preprocessing,
  imgSize: readonly [number, number],
  { preset, ...settings }: PreprocessingOptions,
): Preprocessing {
  const chosen = preset === undefined ? base : preprocessingFor(preset, imgSize);
  return customPreprocessing(chosen, settings);
}
