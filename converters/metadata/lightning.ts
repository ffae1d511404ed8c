/** Facts of PyTorch Lightning's `hyper_parameters`: what its users pass to their module. */
import type { Facts } from '../facts.js';
import type { Entries } from './entries.js';
import { normalizationOf } from './evaluationArguments.js';
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
  const normalization = normalizationOf(entries, PARAMETERS);
  if (!named && !normalization) return undefined;
  return { config: {}, ...named, ...(normalization && { normalization }) };
}
