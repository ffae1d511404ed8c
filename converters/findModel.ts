import { UserError } from '../src/errors.js';
import { isRegnet } from './convertRegnet.js';
import type { Facts } from './facts.js';
import type { Checkpoint, CheckpointTensor } from './formats/types.js';
import {
  type BodyTensor,
  endingsOf,
  expectedNames,
  hasRow,
  type Matched,
  matchNames,
  nameOf,
  type Parts,
  partsOf,
  withEnding,
} from './matchNames.js';
import { facebook } from './namings/facebook.js';
import { foreignArchitecture, rewrittenWeights } from './namings/foreign.js';
import { type Naming, namings, type Source } from './namings/index.js';
import { timm } from './namings/timm.js';
import { COUNTER, EMA, isOffTheWay, LATER, mayCompute, OUTSIDE } from './offTheWay.js';

/** The tensors of a vision transformer as they lie in a checkpoint, under our own names. */
export interface FoundModel {
  readonly naming: Naming;
  /** What stands before every name of the body, e.g. `model.` or `state_dict.backbone.`, wrappers' names taken out. */
  readonly prefix: string;
  /** The same as it stands in the checkpoint. */
  readonly shownPrefix: string;
  /** Our name of a weight, e.g. `blocks.0.attn.qkv.kernel` → where its parts lie, to be put one below the other. */
  readonly weights: ReadonlyMap<string, Parts>;
  /** Names (in the checkpoint) of tensors of the model that no output depends on. */
  readonly dropped: readonly string[];
  /** Names of tensors outside of the model: optimizer state, an average of the weights, another model … */
  readonly leftOver: readonly string[];
  /** Of weights that come in parts, of which some are there: the names of the parts that are not. */
  readonly missingKeys: ReadonlySet<string>;
  readonly numBlocks: number;
  /** Tensors beside the body that may lie on the way from the image to the logits. */
  readonly besideBody: readonly CheckpointTensor[];
  /** Whether the head is a part of the body, so that the model is whole without what stands beside it. */
  readonly headInBody: boolean;
  /** Whether the caller chose this model by its root. */
  readonly chosen: boolean;
  /** Every model in the checkpoint, the one that was taken first. */
  readonly models: readonly [ModelInFile, ...ModelInFile[]];
  /** Why this one of several was taken; undefined if it is the only one, or was asked for. */
  readonly choice: string | undefined;
  /** Whether another code base has the same names, and nothing tells whose it is. */
  readonly uncertainLibrary: boolean;
}

/** One of the models in a checkpoint. */
export interface ModelInFile {
  /** What stands before its names; the option `root` takes it. */
  readonly root: string;
  readonly naming: string;
}

/** What wrappers of modules put into names: DataParallel, torch.compile, activation checkpoints, FSDP, DeepSpeed. */
const WRAPPERS =
  /(^|\.)(?:(?:module|_orig_mod|_checkpoint_wrapped_module|_fsdp_wrapped_module|_forward_module)\.)+/g;

/** A name without what wrappers put into it. */
function withoutWrappers(name: string): string {
  return name.replace(WRAPPERS, '$1');
}

/** A checkpoint's tensors in the order of their names, wrappers' names taken out. */
class Names {
  readonly sorted: readonly BodyTensor[];
  private readonly byName: ReadonlyMap<string, CheckpointTensor>;

  constructor({ tensors }: Checkpoint) {
    const byName = new Map<string, CheckpointTensor>();
    // Of two that a wrapper's name alone tells apart the other keeps it, whichever comes first.
    for (const [name, tensor] of tensors) {
      const plain = withoutWrappers(name);
      byName.set(byName.has(plain) || (plain !== name && tensors.has(plain)) ? name : plain, tensor);
    }
    this.byName = byName;
    this.sorted = [...byName]
      .map(([name, tensor]) => ({ name, tensor }))
      .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  }

  get(name: string): CheckpointTensor | undefined {
    return this.byName.get(name);
  }

  /** Those that start with a prefix. */
  under(prefix: string): readonly BodyTensor[] {
    if (prefix === '') return this.sorted;
    const [from, to] = this.range(prefix);
    return this.sorted.slice(from, to);
  }

  /** Number of those that start with a prefix. */
  count(prefix: string): number {
    const [from, to] = this.range(prefix);
    return to - from;
  }

  private range(prefix: string): [number, number] {
    return [this.firstAt(prefix), this.firstAt(`${prefix}\uffff`)];
  }

  private firstAt(name: string): number {
    let [low, high] = [0, this.sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.sorted[middle]!.name < name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

interface Candidate extends Matched {
  readonly naming: Naming;
  readonly prefix: string;
  /** Heads beside the body. */
  readonly beside: ReadonlyMap<string, Parts>;
  readonly missing: number;
}

/**
 * Finds the model in a checkpoint, whatever its naming and wrapping, in time that grows with the length of all names.
 *
 * Of several models the first by these rules is taken, and the others are named: the one under `root`; one whose
 * tensors are all known; not an average of the weights (EMA) where the weights themselves are there; DINO's teacher,
 * which its own evaluation takes; MoCo's base encoder, likewise. Of equals none is.
 *
 * @throws UserError if there is none, if it is of another kind, or if several are equal
 */
export function findVisionTransformer(
  checkpoint: Checkpoint,
  options: { root?: string; facts?: Facts } = {},
): FoundModel {
  const names = new Names(checkpoint);
  const prefixes = prefixesOf(names.sorted);
  const sortedPrefixes = largest(names, [...prefixes.keys()]).sort();
  const all = sortedPrefixes.map((prefix, i) => {
    const nested = new Set<string>();
    for (let j = i + 1; sortedPrefixes[j]?.startsWith(prefix); j++) nested.add(sortedPrefixes[j]!);
    return best(names, prefix, prefixes.get(prefix)!, nested, options.facts);
  });
  const candidates = options.root === undefined ? all : underRoot(all, options.root, checkpoint);
  if (candidates.length === 0) throw new UserError(`${checkpoint.name}: ${describeMissing(checkpoint)}`);
  const whole = candidates.filter(isWhole);
  if (whole.length === 0) refuse(checkpoint, candidates);
  type Ranked = ReturnType<typeof preference> & { candidate: Candidate };
  const ranked: Ranked[] = whole
    .map((candidate) => ({ candidate, ...preference(candidate, whole) }))
    .sort((a, b) => a.rank - b.rank);
  const [first, second] = ranked as [Ranked, ...Ranked[]];
  if (second?.rank === first.rank) {
    const equals = ranked.filter(({ rank }) => rank === first.rank).map(({ candidate }) => candidate);
    throw new UserError(
      `${checkpoint.name}: ${equals.length} models in it, and nothing tells which is meant: ${listRoots(equals)}; ` +
        'choose with --root PREFIX',
    );
  }
  const others = all.filter(
    (candidate) => candidate !== first.candidate && (isWhole(candidate) || candidate.numBlocks > 0),
  );
  return found(
    checkpoint,
    names,
    first.candidate,
    others,
    options.root === undefined ? first.why : undefined,
    options,
  );
}

/** More models are in no file that a person made; the time that a made-up one takes is bounded by it. */
const MAX_MODELS = 64;

/** The prefixes with the most tensors, where there are very many. */
function largest(names: Names, prefixes: string[]): string[] {
  if (prefixes.length <= MAX_MODELS) return prefixes;
  return prefixes
    .map((prefix) => ({ prefix, count: names.count(prefix) }))
    .sort((a, b) => b.count - a.count)
    .slice(0, MAX_MODELS)
    .map(({ prefix }) => prefix);
}

/** The prefixes under which a patch projection stands, with the namings that would call it so. */
function prefixesOf(names: readonly BodyTensor[]): Map<string, Naming[]> {
  const anchors = new Map<string, Naming[]>();
  for (const naming of namings) {
    const [[, ending]] = endingsOf('patch_embed', naming);
    for (const source of naming.rows.patch_embed ?? []) {
      const anchor = withEnding(nameOf(partsOf(source)[0]), ending);
      anchors.set(anchor, [...(anchors.get(anchor) ?? []), naming]);
    }
  }
  const found = new Map<string, Naming[]>();
  for (const { name } of names) {
    for (const [anchor, of] of anchors) {
      if (!name.endsWith(anchor)) continue;
      const prefix = name.slice(0, -anchor.length);
      if (prefix !== '' && !/[./]$/.test(prefix)) continue;
      const known = found.get(prefix) ?? [];
      found.set(prefix, [...known, ...of.filter(({ prefix: only }) => !only || only.test(prefix))]);
    }
  }
  return found;
}

/** The naming with the fewest tensors that it does not know under a prefix. */
function best(
  names: Names,
  prefix: string,
  of: readonly Naming[],
  nested: ReadonlySet<string>,
  facts: Facts | undefined,
): Candidate {
  // Under a shorter prefix lie also other models of the file; without any prefix, everything.
  const body = names
    .under(prefix)
    .filter(
      ({ name }) =>
        (prefix !== '' || !OUTSIDE.test(name)) && !(nested.size > 0 && isNested(name, prefix, nested)),
    )
    .map(({ name, tensor }) => ({ name: name.slice(prefix.length), tensor }))
    .filter(({ name }) => !COUNTER.test(name));
  const candidates = of.map((naming): Candidate => {
    const matched = naming.blocksBeside
      ? matchNames(naming, [...body, ...blocksBeside(names, naming, prefix)])
      : matchNames(naming, body);
    const beside = besideBody(names, naming, prefix, matched);
    const missing = missingCount(matched);
    return { ...matched, naming, prefix, beside, missing };
  });
  const strange = (candidate: Candidate) => candidate.unknown.length + candidate.missing;
  const least = Math.min(...candidates.map(strange));
  const likely = candidates.filter((candidate) => strange(candidate) === least);
  const parent = parentOf(prefix);
  const ofDino = ['head.mlp.0.weight', 'head.last_layer.weight_g', 'head.last_layer.weight_v'].some((name) =>
    names.get(parent + name),
  );
  return (
    likely.find(({ tells, naming }) => tells || (ofDino && naming.library === 'dino')) ??
    likely.find(({ naming }) => naming.library === facts?.library?.value) ??
    likely[0]!
  );
}

/** Whether a name belongs to another model, whose prefix is one of the longer ones, or to what surrounds it. */
function isNested(name: string, prefix: string, nested: ReadonlySet<string>): boolean {
  for (let end = name.indexOf('.', prefix.length); end >= 0; end = name.indexOf('.', end + 1)) {
    if (nested.has(name.slice(0, end + 1))) return true;
  }
  return false;
}

/** Blocks that stand beside the body. */
function blocksBeside(names: Names, { blocks }: Naming, prefix: string): BodyTensor[] {
  if (prefix === '') return [];
  const parent = parentOf(prefix);
  return blocks.flatMap((start) =>
    names.under(parent + start).map(({ name, tensor }) => ({ name: name.slice(parent.length), tensor })),
  );
}

/** `state_dict.backbone.` → `state_dict.`. */
function parentOf(prefix: string): string {
  return prefix.slice(0, prefix.lastIndexOf('.', prefix.length - 2) + 1);
}

/** `state_dict.model.backbone.` → `state_dict.model.`, `state_dict.`, and the root. */
function ancestorsOf(prefix: string): string[] {
  const found: string[] = [];
  for (let parent = prefix; parent !== ''; ) {
    parent = parentOf(parent);
    found.push(parent);
  }
  return found;
}

/** Of a model that has no head in its body: heads beside it, or beside what it stands in. */
function besideBody(
  names: Names,
  naming: Naming,
  prefix: string,
  { weights, numBlocks }: Matched,
): ReadonlyMap<string, Parts> {
  if (prefix === '' || weights.has('head.kernel') || numBlocks === 0) return new Map();
  // A layer of such a name may be another part's: it must fit the features, or what a hidden layer makes of them.
  const width = weights.get('patch_embed.kernel')?.[0].tensor.shape[0] ?? 0;
  for (const ancestor of ancestorsOf(prefix)) {
    const found = headsUnder(names, naming, ancestor);
    const [head] = found.get('head.kernel') ?? [];
    const fits = head && [width, 2 * width].includes(head.tensor.shape[1]!);
    if (fits || found.has('pre_logits.kernel')) return found;
  }
  return new Map();
}

function headsUnder(names: Names, naming: Naming, parent: string): ReadonlyMap<string, Parts> {
  const found = new Map<string, Parts>();
  for (const [part, sources] of Object.entries(naming.beside) as [string, readonly Source[]][]) {
    for (const source of sources) {
      const endings = endingsOf(part, naming);
      const at = (theirs: string) => names.get(parent + withEnding(nameOf(partsOf(source)[0]), theirs));
      if (at(endings[0][1])?.shape.length !== 2) continue;
      for (const [ours, theirs] of endings) {
        const tensor = at(theirs);
        if (tensor) found.set(part + ours, [{ tensor }]);
      }
      break;
    }
  }
  return found;
}

/** The tensors beside a body, and beside what it stands in, that may lie on the way from the image to the logits. */
function unexplainedBeside(
  names: Names,
  { prefix, naming, beside, weights }: Candidate,
  others: readonly Candidate[],
): CheckpointTensor[] {
  if (prefix === '' || naming.layout === 'flax') return [];
  const roots = new Set(others.map((other) => other.prefix).filter((other) => !prefix.startsWith(other)));
  const known = new Set([...weights.values(), ...beside.values()].flat().map(({ tensor }) => tensor));
  const head = weights.has('head.kernel') ? 'body' : beside.size > 0 ? 'beside' : 'none';
  return names
    .under('')
    .filter(({ name, tensor }) => {
      if (name.startsWith(prefix) || known.has(tensor) || !mayCompute(tensor)) return false;
      const parent = commonPrefix(name, prefix);
      return !isNested(name, parent, roots) && !isOffTheWay(name.slice(parent.length), head);
    })
    .map(({ tensor }) => tensor);
}

/** What two names share, in whole parts. */
function commonPrefix(a: string, b: string): string {
  let length = 0;
  for (let i = 0; i < a.length && a[i] === b[i]; i++) if (a[i] === '.') length = i + 1;
  return a.slice(0, length);
}

const ESSENTIAL = [
  'pos_embed',
  'blocks.0.attn.qkv.kernel',
  'blocks.0.mlp.fc1.kernel',
  'blocks.0.norm1.gamma',
];

function missingCount({ weights }: Matched): number {
  if (weights.has('blocks.0.attns.0.attn.qkv.kernel')) return weights.has('pos_embed') ? 0 : 1;
  return ESSENTIAL.filter((name) => !weights.has(name)).length;
}

function isWhole({ unknown, missing }: Candidate): boolean {
  return unknown.length === 0 && missing === 0;
}

/** The candidates that a root names: it, or what stands under it. */
function underRoot(all: readonly Candidate[], root: string, { name }: Checkpoint): readonly Candidate[] {
  const asked = root === '' || /[./]$/.test(root) ? root : `${root}.`;
  const plain = withoutWrappers(asked);
  const shown = all.filter((candidate) => shownPrefix(candidate) === asked);
  const same = shown.length > 0 ? shown : all.filter(({ prefix }) => prefix === plain);
  const under = same.length > 0 ? same : all.filter(({ prefix }) => plain !== '' && prefix.startsWith(plain));
  if (under.length > 0) return under;
  throw new UserError(
    all.length === 0
      ? `${name}: no vision transformer in it, under ${JSON.stringify(root)} or elsewhere`
      : `${name}: no model under ${JSON.stringify(root)}; there is: ${listRoots(all)}`,
  );
}

/** Beside the average that Lightning's WeightAveraging puts into state_dict: the weights themselves. */
const PAUSED = /^current_model_state\./;
const STUDENT = /(^|\.)student\./;

/** Which of several models is meant: the lowest, with the reason. */
function preference({ prefix, naming }: Candidate, all: readonly Candidate[]): { rank: number; why: string } {
  if (PAUSED.test(prefix)) return { rank: 1, why: 'the weights that Lightning’s training goes on with' };
  if (EMA.test(prefix)) return { rank: 2, why: 'an average of the weights (EMA)' };
  if (LATER.test(prefix)) return { rank: 2, why: 'the encoder that follows by momentum' };
  // DINO's and DINOv2's own evaluation takes the teacher; in anybody else's file either may be meant.
  const ofDino = naming.library === 'dino' || naming.library === 'dinov2';
  if (STUDENT.test(prefix) && ofDino) return { rank: 1, why: 'the student' };
  if (/(^|\.)teacher\./.test(prefix) && ofDino)
    return { rank: 0, why: 'the teacher, as DINO’s own evaluation takes it' };
  if (/(^|\.)base_encoder\.$/.test(prefix))
    return { rank: 0, why: 'the base encoder, as MoCo v3’s own evaluation takes it' };
  const isAverage = all.some((other) => PAUSED.test(other.prefix)) && prefix.startsWith('state_dict.');
  if (isAverage) return { rank: 0, why: 'an average of the weights, as Lightning itself loads it' };
  return { rank: 0, why: 'the weights themselves, not an average of them' };
}

/** A few roots as they are said. */
function listRoots(candidates: readonly Candidate[]): string {
  const shown = candidates
    .slice(0, 6)
    .map(
      (candidate) =>
        `${JSON.stringify(shownPrefix(candidate))} (${candidate.naming.name} naming, ${candidate.numBlocks} blocks)`,
    );
  return shown.join(', ') + (candidates.length > 6 ? ` and ${candidates.length - 6} more` : '');
}

/** The prefix as it stands in the checkpoint, where wrappers are a part of it alone. */
function shownPrefix({ prefix, weights }: Candidate): string {
  const [first] = weights.get('patch_embed.kernel') ?? [];
  const tensor = first?.tensor;
  if (!tensor) return prefix;
  // A second model of the same names keeps its wrapper's: its prefix is as it stands in the file.
  if (tensor.name.startsWith(prefix) && withoutWrappers(prefix) !== prefix) return prefix;
  const own = withoutWrappers(tensor.name).slice(prefix.length);
  return tensor.name.endsWith(own) ? tensor.name.slice(0, -own.length) : prefix;
}

function found(
  checkpoint: Checkpoint,
  names: Names,
  candidate: Candidate,
  others: readonly Candidate[],
  why: string | undefined,
  { facts, root }: { facts?: Facts; root?: string },
): FoundModel {
  const naming = sharedNaming(candidate, facts);
  const weights = new Map([...candidate.weights, ...candidate.beside]);
  const known = new Set([...weights.values()].flat().map(({ tensor }) => tensor));
  for (const tensor of candidate.dropped) known.add(tensor);
  const inFile = (one: Candidate) => ({ root: shownPrefix(one), naming: one.naming.name });
  return {
    naming,
    prefix: candidate.prefix,
    shownPrefix: shownPrefix(candidate),
    weights,
    dropped: candidate.dropped.map(({ name }) => name),
    leftOver: [...checkpoint.tensors.values()].filter((tensor) => !known.has(tensor)).map(({ name }) => name),
    missingKeys: candidate.missingKeys,
    numBlocks: candidate.numBlocks,
    besideBody: unexplainedBeside(names, candidate, others),
    headInBody: candidate.weights.has('head.kernel'),
    chosen: root !== undefined,
    models: [inFile(candidate), ...others.map(inFile)],
    choice: others.length > 0 ? why : undefined,
    uncertainLibrary: isUncertain(candidate, facts),
  };
}

/** transformers' TimmWrapper and open_clip keep a timm model under these names. */
const TIMM_INSIDE = /(^|\.)(timm_model|trunk)\.$/;

/**
 * Without LayerScale the names of facebook and timm are the same; facebook's files wrap their model, timm's are bare.
 * It matters for how position embeddings are resampled.
 */
function sharedNaming(candidate: Candidate, facts: Facts | undefined): Naming {
  const { naming, prefix } = candidate;
  if (naming !== facebook) return naming;
  if (TIMM_INSIDE.test(prefix)) return timm;
  return prefix === '' && isUncertain(candidate, facts) ? timm : naming;
}

/** Whether only the wrapping tells facebook's model from timm's. */
function isUncertain({ naming, prefix, weights }: Candidate, facts: Facts | undefined): boolean {
  if (naming !== facebook || weights.has('blocks.0.ls1.gamma') || TIMM_INSIDE.test(prefix)) return false;
  return facts?.library === undefined || (facts.library.value === 'timm' && prefix === '');
}

/** No naming has more places for a weight. */
const MAX_SOURCES = 12;

/** The name that a tensor, by our name for it, has or should have in the checkpoint. */
export function nameInCheckpoint(
  { naming, shownPrefix: prefix, weights, missingKeys }: FoundModel,
  ours: string,
): string {
  const found = weights.get(ours);
  if (found) return found.map(({ tensor }) => tensor.name).join(' + ');
  for (let source = 0; source < MAX_SOURCES; source++) {
    const part = expectedNames(naming, ours, source).find((name) => missingKeys.has(name));
    if (part) return prefix + part;
  }
  // A bias stands beside the matrix that is there.
  const twin = weights.get(ours.replace(/\.bias$/, '.kernel').replace(/\.beta$/, '.gamma'));
  const [matrix, ...more] = twin ?? [];
  if (matrix && more.length === 0 && matrix.tensor.name.endsWith('.weight')) {
    return matrix.tensor.name.replace(/weight$/, 'bias');
  }
  const inBody = hasRow({ ...naming, beside: {} }, ours);
  return expectedNames(naming, ours)
    .map((name) => (inBody ? prefix : parentOf(prefix)) + name)
    .join(' + ');
}

/** Says why none of the models can be read: the one with the fewest strange tensors is spoken of. */
function refuse(checkpoint: Checkpoint, candidates: readonly Candidate[]): never {
  const strange = (one: Candidate) => one.unknown.length + one.missing + (one.numBlocks === 0 ? 1e6 : 0);
  const nearest = candidates.reduce((a, b) => (strange(b) < strange(a) ? b : a));
  const foreign = foreignArchitecture(nearest.unknown.map(({ name }) => name));
  if (foreign) {
    throw new UserError(
      `${checkpoint.name}: holds ${foreign.name}, told by ${foreign.tensor}; it computes something else than a ViT or DeiT`,
    );
  }
  const rewritten = rewrittenWeights(nearest.unknown.map(({ name }) => name));
  if (rewritten) {
    const { what, tensor, remedy } = rewritten;
    throw new UserError(
      `${checkpoint.name}: holds ${what}, told by ${tensor}; ${remedy}, and save the model again`,
    );
  }
  if (nearest.unknown.length > 0) {
    const shown =
      nearest.unknown
        .slice(0, 3)
        .map(({ name }) => name)
        .join(', ') + (nearest.unknown.length > 3 ? ', …' : '');
    throw new UserError(
      `${checkpoint.name}: ${nearest.unknown.length} tensor(s) belong to no part of a ViT or DeiT: ${shown}; ` +
        'this model is of another kind',
    );
  }
  const missing = ESSENTIAL.find((name) => !nearest.weights.has(name))!;
  if (missing === 'pos_embed' && nearest.missing === 1) {
    const ours = nearest.prefix + expectedNames(nearest.naming, missing)[0];
    const kind = nearest.naming.library === 'google' ? 'sincos2d (big_vision)' : 'rotary or relative';
    throw new UserError(
      `${checkpoint.name}: the tensor ${ours} is missing (${nearest.naming.name} naming); without position embeddings it is ` +
        `a ViT with ${kind} positions, which is not computed here, or not whole`,
    );
  }
  const model = found(checkpoint, new Names(checkpoint), nearest, [], undefined, {});
  throw new UserError(missingText(checkpoint.name, model, missing));
}

/** Says that a tensor of the model is not in the file. */
export function missingText(file: string, found: FoundModel, ours: string): string {
  return (
    `${file}: the tensor ${nameInCheckpoint(found, ours)} is missing (${found.naming.name} naming); ` +
    'the file is not whole, or of another kind of model'
  );
}

function describeMissing(checkpoint: Checkpoint): string {
  if (checkpoint.tensors.size === 0) return 'holds no tensors';
  if (isRegnet(checkpoint)) return 'holds a RegNet, no vision transformer';
  const foreign = foreignArchitecture(checkpoint.tensors.keys());
  if (foreign)
    return `holds ${foreign.name}, told by ${foreign.tensor}, no vision transformer of this family`;
  const first = [...checkpoint.tensors.keys()].slice(0, 3).join(', ');
  return (
    `no vision transformer in it: expected patch_embed.proj.weight (facebook, timm), ` +
    `backbone.patch_embed.projection.weight (mmpretrain), embeddings.patch_embeddings.projection.weight ` +
    `(Hugging Face), conv_proj.weight (torchvision) or embedding/kernel (google-research), ` +
    `found ${checkpoint.tensors.size} tensors: ${first}${checkpoint.tensors.size > 3 ? ', …' : ''}`
  );
}
