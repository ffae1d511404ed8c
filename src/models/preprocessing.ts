import { findEntry } from '../../converters/findEntry.js';
import type { VitConfig } from '../families/vit/config.js';
import { preprocessingFor } from '../image/index.js';
import type { Preprocessing } from '../image/types.js';

/** The preset with which the authors of the named model evaluated it, by default `deit`, at the model's input size. */
export function defaultPreprocessing(config: VitConfig, name = config.name): Preprocessing {
  const preset = findEntry(name)?.preset;
  return preprocessingFor(preset ?? (config.posEmbedPrefix ? 'deit' : 'deit3'), config.imgSize);
}
