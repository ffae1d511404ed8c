import { UserError } from '../src/errors.js';
import { isRegnet } from './convertRegnet.js';
import type { Checkpoint, CheckpointTensor } from './formats/types.js';
import { facebook } from './keymaps/facebook.js';
import { type KeyMap, keyMaps, type Sources } from './keymaps/index.js';
import { timm } from './keymaps/timm.js';

/** The tensors of a vision transformer as they lie in a checkpoint, under our own names. */
export interface FoundModel {
  readonly keyMap: KeyMap;
  /** What stands before every name, e.g. `model.` or `state_dict.module.`. */
  readonly prefix: string;
  /** Our name of a tensor, e.g. `blocks.0.attn.qkv.weight` → the tensors to be put one below the other. */
  readonly tensors: ReadonlyMap<string, readonly CheckpointTensor[]>;
  /** Names (in the checkpoint) of tensors of the model that are not needed to classify. */
  readonly dropped: readonly string[];
  /** Names of tensors outside of the model: optimizer state, an average of the weights … */
  readonly leftOver: readonly string[];
  /** Of tensors that come in parts, of which some are there: the names of the parts that are not. */
  readonly absent: ReadonlySet<string>;
  readonly numBlocks: number;
}

/** Wrappers in which a checkpoint keeps its model, the one that its own evaluation would take first. */
const WRAPPERS = ['', 'model.', 'state_dict.', 'model_ema.', 'state_dict_ema.', 'ema.'];

/** A checkpoint with more blocks than this is not a vision transformer (the deepest published has 56). */
const MAX_BLOCKS = 1000;

/** Finds the model in a checkpoint, whatever its naming and wrapping. Throws a UserError if there is none. */
export function findVisionTransformer(checkpoint: Checkpoint): FoundModel {
  const candidates = keyMaps.flatMap((keyMap) =>
    rootsOf(keyMap, checkpoint).map((prefix) => collect(checkpoint, keyMap, prefix)),
  );
  const best = candidates.sort((a, b) => rank(a) - rank(b))[0];
  if (!best) throw new UserError(`${checkpoint.name}: ${describeMissing(checkpoint)}`);
  checkComplete(checkpoint, best);
  return sharedNaming(best) ? { ...best, keyMap: timm } : best;
}

/**
 * Without LayerScale the names of facebook and timm are the same; facebook's files wrap their model, timm's are bare.
 * It matters for how position embeddings are resampled.
 */
function sharedNaming({ keyMap, prefix, tensors }: FoundModel): boolean {
  return keyMap === facebook && prefix === '' && !tensors.has('blocks.0.ls1.gamma');
}

/** The name that a tensor, by our name for it, has or should have in the checkpoint. */
export function nameInCheckpoint({ keyMap, prefix, tensors, absent }: FoundModel, ours: string): string {
  const found = tensors.get(ours);
  if (found) return found.map(({ name }) => name).join(' + ');
  const block = /^blocks\.(\d+)\./.exec(ours)?.[1] ?? '';
  const [, module, suffix] = /^(.*)(\.(?:weight|bias))$/.exec(ours) ?? [ours, ours, ''];
  const general = (name: string) => name.replace(/^blocks\.\d+\./, 'blocks.*.') as never;
  const whole: Sources | undefined = keyMap.tensors[general(ours)];
  const sources: Sources = whole ?? keyMap.modules[general(module)] ?? [ours];
  const ending = whole ? '' : suffix;
  const full = (name: string) => prefix + name.replace('*', block) + ending;
  const part = sources
    .flat()
    .map(full)
    .find((name) => absent.has(name));
  return part ?? [sources[0] ?? ours].flat().map(full).join(' + ');
}

/** Prefixes under which this naming's patch projection stands. */
function rootsOf(keyMap: KeyMap, checkpoint: Checkpoint): string[] {
  const endings = keyMap.modules.patch_embed.map((name) => `${name}.weight`);
  const roots = new Set<string>();
  for (const name of checkpoint.tensors.keys()) {
    for (const ending of endings) {
      if (name === ending || name.endsWith(`.${ending}`)) roots.add(name.slice(0, -ending.length));
    }
  }
  return [...roots];
}

/** Fewest unknown tensors first, then the usual wrappers in order. */
function rank(found: FoundModel): number {
  const wrapper = WRAPPERS.indexOf(found.prefix.replace(/module\.$/, ''));
  return (strangeTensors(found).length + missingCount(found)) * 100 + (wrapper < 0 ? 99 : wrapper);
}

function missingCount(found: FoundModel): number {
  return [
    'cls_token',
    'pos_embed',
    'norm.weight',
    'blocks.0.norm1.weight',
    'blocks.0.attn.qkv.weight',
  ].filter((name) => !found.tensors.has(name)).length;
}

function collect(checkpoint: Checkpoint, keyMap: KeyMap, prefix: string): FoundModel {
  const tensors = new Map<string, readonly CheckpointTensor[]>();
  const used = new Set<string>();
  const absent = new Set<string>();
  const find = (sources: Sources, suffix: string, block: number) => {
    for (const source of sources) {
      const names = (typeof source === 'string' ? [source] : source).map(
        (name) => prefix + name.replace('*', String(block)) + suffix,
      );
      const found = names.map((name) => checkpoint.tensors.get(name));
      if (found.every((tensor) => tensor !== undefined)) {
        for (const name of names) used.add(name);
        return found;
      }
      // Of query, key and value some are there: it is the others that are missing, not these that are too many.
      for (const [i, name] of names.entries()) {
        if (found[i]) used.add(name);
        else if (found.some(Boolean)) absent.add(name);
      }
    }
    return undefined;
  };
  const add = (ours: string, sources: Sources, suffix: string, block = 0) => {
    const found = find(sources, suffix, block);
    if (found) tensors.set(ours.replace('*', String(block)) + suffix, found);
    return found !== undefined;
  };
  const rows: [string, Sources, string][] = [
    ...Object.entries(keyMap.tensors).map(
      ([ours, sources]) => [ours, sources, ''] as [string, Sources, string],
    ),
    ...Object.entries(keyMap.modules).flatMap(([ours, sources]) =>
      ['.weight', '.bias'].map((suffix) => [ours, sources, suffix] as [string, Sources, string]),
    ),
  ];
  for (const [ours, sources, suffix] of rows) {
    if (!ours.includes('*')) add(ours, sources, suffix);
  }
  const blockRows = rows.filter(([ours]) => ours.includes('*'));
  // To the last block that has anything: one that is missing between others is then named as missing.
  let numBlocks = 0;
  for (let block = 0; block <= highestNumber(checkpoint); block++) {
    const some = blockRows.map(([ours, sources, suffix]) => add(ours, sources, suffix, block));
    if (some.includes(true)) numBlocks = block + 1;
  }
  const rest = [...checkpoint.tensors.keys()].filter((name) => !used.has(name));
  const isDropped = (name: string) =>
    name.startsWith(prefix) && keyMap.dropped.some((pattern) => pattern.test(name.slice(prefix.length)));
  return {
    keyMap,
    prefix,
    tensors,
    absent,
    numBlocks,
    dropped: rest.filter(isDropped),
    leftOver: rest.filter((name) => !isDropped(name)),
  };
}

/** The highest number that stands in a tensor's name as a part of its own, up to MAX_BLOCKS. */
function highestNumber({ tensors }: Checkpoint): number {
  let highest = 0;
  for (const name of tensors.keys()) {
    for (const [, digits] of name.matchAll(/\.(\d{1,4})(?=\.)/g)) highest = Math.max(highest, Number(digits));
  }
  return Math.min(highest, MAX_BLOCKS - 1);
}

/** Top-level parts of a training checkpoint that are no model. */
const OUTSIDE = /^(optimizer|lr_scheduler|scheduler|scaler|amp|message_hub)\./;

/** Tensors of the model's own that nothing reads: the model would compute something else than we do. */
function strangeTensors({ prefix, leftOver }: FoundModel): string[] {
  if (prefix !== '') return leftOver.filter((name) => name.startsWith(prefix));
  const otherModel = (name: string) => WRAPPERS.some((wrapper) => wrapper !== '' && name.startsWith(wrapper));
  return leftOver.filter((name) => !OUTSIDE.test(name) && !otherModel(name));
}

function checkComplete(checkpoint: Checkpoint, found: FoundModel): void {
  const strange = strangeTensors(found);
  if (strange.length === 0) return;
  const shown = strange.slice(0, 3).join(', ') + (strange.length > 3 ? ', …' : '');
  throw new UserError(
    `${checkpoint.name}: ${strange.length} tensor(s) belong to no part of a ViT or DeiT: ${shown}; ` +
      'this model is of another kind',
  );
}

function describeMissing(checkpoint: Checkpoint): string {
  if (checkpoint.tensors.size === 0) return 'holds no tensors';
  if (isRegnet(checkpoint))
    return 'holds a RegNet, which serves as a teacher (deit train, loadRegnet), no vision transformer';
  const first = [...checkpoint.tensors.keys()].slice(0, 3).join(', ');
  return (
    `no vision transformer in it: expected patch_embed.proj.weight (facebook, timm), ` +
    `backbone.patch_embed.projection.weight (mmpretrain) or embeddings.patch_embeddings.projection.weight ` +
    `(Hugging Face), found ${checkpoint.tensors.size} tensors: ${first}${checkpoint.tensors.size > 3 ? ', …' : ''}`
  );
}
