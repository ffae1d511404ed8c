/** Facts of PyTorch Lightning's `hyper_parameters`: what its users pass to their module. */
import type { Facts } from '../facts.js';
import type { Entries } from './entries.js';
import { nameFacts } from './trainingArguments.js';

const NAMES = ['model_name', 'model', 'arch', 'architecture', 'backbone', 'backbone_name', 'encoder'];
const HEADS = ['num_heads', 'heads', 'n_heads', 'num_attention_heads'];

/** The model's name where a table has it, and the number of heads. */
export function lightningFacts(entries: Entries): Facts | undefined {
  const at = (name: string) => `hyper_parameters.${name}`;
  const named = NAMES.map((name) => {
    const value = entries.text(at(name));
    return value === undefined ? undefined : nameFacts(value, at(name));
  }).find((facts) => facts !== undefined);
  const heads = HEADS.find((name) => wholeNumber(entries.number(at(name))) !== undefined);
  if (!named && heads === undefined) return undefined;
  const numHeads = heads === undefined ? undefined : entries.number(at(heads))!;
  return {
    ...named,
    config: {
      ...named?.config,
      ...(heads !== undefined && { numHeads: { value: numHeads!, source: at(heads) } }),
    },
  };
}

function wholeNumber(value: number | undefined): number | undefined {
  return value !== undefined && Number.isSafeInteger(value) && value > 0 ? value : undefined;
}
