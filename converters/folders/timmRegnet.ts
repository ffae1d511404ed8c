import { UserError } from '../../src/errors.js';
import { timmConfig, timmPreprocessing } from '../../src/image/timm.js';
import type { RegnetFacts } from '../convertRegnet.js';
import { orByPreset } from '../orByPreset.js';
import { defined, type Fields, fieldReader, shown } from './fields.js';
import { isTimmConfig, labelsFact, pretrainedInput } from './timm.js';

/** Whether a config.json is that of a RegNetX or RegNetY of timm: `regnety_160`, with whatever tag. */
export function isTimmRegnet(config: Fields): boolean {
  return isTimmConfig(config) && /^regnet[xy]_\d{3}(\.|$)/.test(String(config.architecture));
}

/** Arguments that training alone reads, or that the tensors tell. */
const HARMLESS = ['num_classes', 'in_chans', 'drop_rate', 'drop_path_rate', 'zero_init_last'];

/**
 * What timm's config.json says of a RegNet beside its tensors: its images and classes.
 *
 * @throws UserError for an argument that would change the network
 */
export function timmRegnetFacts(config: Fields, file: string, skipPreprocessing = false): RegnetFacts {
  const root = fieldReader(config, file);
  const args = root.object('model_args');
  for (const [name, value] of Object.entries(args?.fields ?? {})) {
    if (value === null || HARMLESS.includes(name) || name === 'global_pool') continue;
    throw new UserError(`${args!.at(name)} is ${shown(value)}: this argument is not supported of a RegNet`);
  }
  for (const reader of [root, ...(args ? [args] : [])]) {
    const pool = reader.text('global_pool') ?? 'avg';
    if (pool !== 'avg') throw new UserError(`${reader.at('global_pool')} is ${shown(pool)}; expected avg`);
  }
  const pretrained = fieldReader(timmConfig(config), root.at('pretrained_cfg'));
  const size = pretrainedInput(pretrained);
  const read = () => timmPreprocessing(pretrained.fields, pretrained.where, size);
  const value = skipPreprocessing || !size ? undefined : { ...orByPreset(read), preset: pretrained.where };
  return defined({
    source: root.at('architecture'),
    preprocessing: value && { value, source: pretrained.where },
    labels: labelsFact(config, pretrained, root),
  });
}
