/** Facts of PyTorch Lightning's `hyper_parameters`: what its users pass to their module. */
import { channels, deviations } from '../../src/image/checkPreprocessing.js';
import type { Facts } from '../facts.js';
import type { Entries } from './entries.js';
import { nameFacts } from './trainingArguments.js';

const PARAMETERS = 'hyper_parameters';
const NAMES = ['model_name', 'model', 'arch', 'architecture', 'backbone', 'backbone_name', 'encoder'];

/** The model's name where a table has it, and mean and deviation; its parameters are read by modelParameters. */
export function lightningFacts(entries: Entries): Facts | undefined {
  const at = (name: string) => `${PARAMETERS}.${name}`;
  const named = NAMES.map((name) => {
    const value = entries.text(at(name));
    return value === undefined ? undefined : nameFacts(value, at(name));
  }).find((facts) => facts !== undefined);
  const normalization = normalizationOf(entries);
  if (!named && !normalization) return undefined;
  return { config: {}, ...named, ...(normalization && { normalization }) };
}

function normalizationOf(entries: Entries): Facts['normalization'] {
  const [mean, std] = [entries.list(`${PARAMETERS}.mean`), entries.list(`${PARAMETERS}.std`)];
  if (!mean || !std) return undefined;
  // Other programs' numbers: three above 0 and at most 1, or they mean something else.
  const fits = (values: readonly unknown[]) =>
    values.length === 3 && values.every((value) => typeof value === 'number' && value >= 0 && value <= 1);
  if (!fits(mean) || !fits(std)) return undefined;
  const value = {
    mean: channels(mean, `${PARAMETERS}.mean`),
    std: deviations(std, `${PARAMETERS}.std`),
  };
  return { value, source: `${PARAMETERS}.mean and std` };
}
