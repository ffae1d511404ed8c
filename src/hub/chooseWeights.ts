import { UserError } from '../errors.js';

/** The names that libraries give to a whole model, best first: what loads fast and safely before what does not. */
const USUAL = [
  'model.safetensors',
  'model.safetensors.index.json',
  'pytorch_model.bin',
  'pytorch_model.bin.index.json',
];

/** What training and other frameworks leave beside the weights. */
const LEFTOVERS = [
  /^(optimizer|scheduler|scaler)(_\d+)?\.(pt|pth|bin|safetensors)$/,
  /^rng_state(_\d+)?\.pth$/,
  /^training_args\.bin$/,
  /(^|_)optim_states\.pt$/,
  /^(sampler|dl_state_dict)(_\d+)?\.bin$/,
  /\.onnx$/,
  /^tf_model\.h5$/,
  /^flax_model.*\.msgpack$/,
];

/** Part of a checkpoint; the only one of one is whole. */
const SHARD = /-\d{5}-of-(?!00001\.)\d{5}\.(safetensors|bin)$/;
/** A low-rank adapter (PEFT): a change to another model, no model by itself. */
const ADAPTER = /^adapter_model\.(safetensors|bin)$/;
const CHECKPOINT = /\.(pth|pt|bin|npz|ckpt|pth\.tar)$/;
/** Most names that one message lists. */
const SHOWN = 12;

/**
 * Chooses the weights of a model among the names of its folder's files (files in folders below are left aside):
 * model.safetensors, model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json, else the only
 * *.safetensors, else the only *.pth, *.pt, *.bin, *.npz, *.ckpt or *.pth.tar, else the only index of another name.
 *
 * @throws UserError if there are none, or several that none of these rules tells apart
 */
export function chooseWeights(names: readonly string[]): string {
  const here = names.filter((name) => !name.includes('/'));
  const usual = USUAL.find((name) => here.includes(name));
  if (usual) return usual;
  const kept = here.filter((name) => !LEFTOVERS.some((pattern) => pattern.test(name)));
  refuseAdapter(kept);
  refuseDistributed(kept);
  const candidates = kept.filter((name) => !SHARD.test(name) && !ADAPTER.test(name));
  for (const pattern of [/\.safetensors$/, CHECKPOINT]) {
    const found = candidates.filter((name) => pattern.test(name));
    if (found.length === 1) return found[0]!;
    if (found.length > 1)
      throw new UserError(`several files could be the weights: ${shown(found)}; name one`);
  }
  const indices = here.filter((name) => /\.safetensors\.index\b.*\.json$/.test(name));
  if (indices.length === 1) return indices[0]!;
  throw new UserError(`no weights were found; ${whatIsThere(names, kept)}`);
}

/** What torch.distributed.checkpoint writes: parts of tensors, by its own directory. */
function refuseDistributed(kept: readonly string[]): void {
  const part = kept.find((name) => name.endsWith('.distcp'));
  if (part === undefined) return;
  throw new UserError(
    `${part} is a part of a distributed checkpoint, which is not read; join it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER whole.pth`,
  );
}

function refuseAdapter(kept: readonly string[]): void {
  const others = kept.filter((name) => /\.safetensors$/.test(name) || CHECKPOINT.test(name));
  if (others.length === 0 || !others.every((name) => ADAPTER.test(name))) return;
  throw new UserError(
    `${others[0]} is an adapter, a change to another model; merge it into that model and save the whole`,
  );
}

function whatIsThere(names: readonly string[], kept: readonly string[]): string {
  const shards = kept.filter((name) => SHARD.test(name));
  if (shards.length > 0) {
    return `there are parts of weights without the index that joins them (*.index.json): ${shown(shards)}`;
  }
  const below = names.filter(
    (name) => name.includes('/') && (/\.safetensors$/.test(name) || CHECKPOINT.test(name)),
  );
  if (below.length > 0) return `in folders below there are ${shown(below)}; name one`;
  return names.length === 0 ? 'the folder is empty' : `there are ${shown(names)}`;
}

function shown(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return names.slice(0, SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
