/** Facts that people's own scripts keep beside the weights as plain values: `config.num_heads`, `model_args.heads` … */
import type { VitConfig } from '../../src/families/vit/config.js';
import type { Fact, Facts } from '../facts.js';
import type { CheckpointMetadata } from '../formats/types.js';
import { activations } from '../huggingFaceActivations.js';

/** What may stand before a parameter's name: where configurations are kept, and the parts that are this model. */
const CONTAINERS = new Set(
  (
    'args arguments config configuration cfg conf hparams hyper_parameters hyperparameters model_args model_kwargs ' +
    'model_config model_cfg model_params model_hparams kwargs init_args params opt options ' +
    'model backbone encoder image_encoder vision_encoder net network vit visual vision_config vision_cfg transformer'
  ).split(' '),
);

interface Parameter<F extends keyof VitConfig> {
  readonly names: readonly string[];
  readonly read: (value: unknown) => VitConfig[F] | undefined;
}

/** `heads` may be a number of outputs, unless it stands beside a transformer's sizes. */
const SIZES = [
  'dim',
  'depth',
  'embed_dim',
  'hidden_dim',
  'mlp_dim',
  'mlp_ratio',
  'patch_size',
  'width',
  'layers',
];

/** A number, or a text that is one: safetensors keeps texts alone. */
const numberOf = (value: unknown) =>
  typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')
    ? Number(value)
    : Number.NaN;

/** transformers' and timm's names, or a class of torch's; what is not computed here as it stands, for convert to refuse. */
function activationOf(text: string): NonNullable<VitConfig['activation']> {
  const name = text.split('.').at(-1)!.toLowerCase();
  return (Object.hasOwn(activations, name) ? activations[name] : text) as NonNullable<
    VitConfig['activation']
  >;
}

/** timm's name of a pooling, likewise. */
export const timmPool = (text: string) => (text === 'avg' ? 'mean' : text) as NonNullable<VitConfig['pool']>;

const PARAMETERS: { readonly [F in 'numHeads' | 'layerNormEps' | 'activation' | 'pool']: Parameter<F> } = {
  numHeads: {
    names: ['num_heads', 'n_heads', 'heads', 'num_attention_heads', 'nhead', 'n_head'],
    read: (value) => {
      const heads = numberOf(value);
      return Number.isSafeInteger(heads) && heads > 0 ? heads : undefined;
    },
  },
  layerNormEps: {
    names: ['layer_norm_eps', 'layer_norm_epsilon', 'norm_eps'],
    read: (value) => {
      const epsilon = numberOf(value);
      return epsilon > 0 && epsilon < 1 ? epsilon : undefined;
    },
  },
  activation: {
    names: ['hidden_act', 'act_layer', 'hidden_activation'],
    read: (value) => (typeof value === 'string' && value !== '' ? activationOf(value) : undefined),
  },
  pool: {
    names: ['global_pool'],
    read: (value) => (typeof value === 'string' && value !== '' ? timmPool(value) : undefined),
  },
};

/**
 * The parameters of the model that stand under one of the usual names, whatever holds them. Where one parameter has
 * several values (of an encoder and a decoder, say), none of them is believed.
 */
export function modelParameters(metadata: CheckpointMetadata): Facts['config'] {
  const config: Record<string, Fact<unknown>> = {};
  const several = new Set<string>();
  for (const [path, value] of Object.entries(metadata)) {
    const parts = path.split('.');
    const name = parts.pop()!;
    for (const [field, { names, read }] of Object.entries(PARAMETERS)) {
      if (!names.includes(name) || !parts.every((part) => CONTAINERS.has(part.toLowerCase()))) continue;
      if (name === 'heads' && !SIZES.some((size) => [...parts, size].join('.') in metadata)) continue;
      const told = read(value);
      if (told === undefined) continue;
      if (field in config && config[field]!.value !== told) several.add(field);
      config[field] ??= { value: told, source: path };
    }
  }
  for (const field of several) delete config[field];
  return config as Facts['config'];
}

/** The same of a configuration as an object, e.g. that of PyTorchModelHubMixin; `file` names it in the sources. */
export function parametersOfObject(config: object, file: string): Facts['config'] {
  const values: Values = Object.create(null);
  for (const [name, value] of Object.entries(config)) addValues(values, name, value, 1);
  const facts = Object.entries(modelParameters(values)) as [string, Fact<unknown>][];
  return Object.fromEntries(
    facts.map(([field, { value, source }]) => [field, { value, source: `${file}: ${source}` }]),
  ) as Facts['config'];
}

type Values = Record<string, string | number | boolean | null>;

/** Levels of a JSON text that are read. */
const MAX_DEPTH = 8;

/**
 * The metadata, and what stands in JSON texts of configurations: safetensors keeps texts alone, and scripts put
 * `json.dumps` of their arguments there.
 */
export function withJsonTexts(metadata: CheckpointMetadata): CheckpointMetadata {
  const all: Values = Object.assign(Object.create(null), metadata);
  for (const [path, text] of Object.entries(metadata)) {
    if (typeof text !== 'string' || !CONTAINERS.has(path.toLowerCase()) || !text.trimStart().startsWith('{'))
      continue;
    addValues(all, path, parsed(text), 0);
  }
  return all;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Another program's text.
  }
}

/** Plain values within a value, by dotted path; what the file has by that path itself stays. */
function addValues(all: Values, path: string, value: unknown, depth: number): void {
  if (value !== null && typeof value === 'object') {
    if (depth === MAX_DEPTH) return;
    for (const [name, one] of Object.entries(value)) addValues(all, `${path}.${name}`, one, depth + 1);
  } else if (value !== undefined && !(path in all)) {
    all[path] = value as string | number | boolean | null;
  }
}
