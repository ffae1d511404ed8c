import { modelEntries } from '../configs/models/index.js';
import { UserError } from '../src/errors.js';
import {
  checkConfig,
  compactConfig,
  differingField,
  gridSize,
  patchText,
  type VitConfig,
} from '../src/families/vit/config.js';
import { sizeOf } from '../src/shape.js';
import { likelyHeads } from './conventions.js';
import type { Assumption, Facts, Library } from './facts.js';
import { type FoundModel, missingText, nameInCheckpoint } from './findModel.js';
import type { Located } from './matchNames.js';
import type { ModelTables } from './modelTables.js';
import { facebook } from './namings/facebook.js';
import { foreignByName } from './namings/foreign.js';
import type { Naming } from './namings/index.js';
import { torchShape } from './tensorLayout.js';

/** What is told of a model beside its tensors. */
export interface ArchitectureHints {
  /** Name of a model, or `auto`. */
  readonly model: string;
  /** Input size in pixels that was asked for. */
  readonly imgSize?: readonly [number, number];
  /** Whether a pooler that lies between the body and a classifier is a part of the way (transformers has both). */
  readonly pooler?: boolean;
  /** Whether the heads are not wanted. */
  readonly headless?: boolean;
  readonly facts: Facts;
  /** Published models by their names. */
  readonly tables: ModelTables;
}

/** An architecture with what was taken for likely. */
export interface Inferred {
  readonly config: VitConfig;
  readonly assumptions: readonly Assumption[];
  /** Our names of weights that are in the file and that no output depends on. */
  readonly unused: readonly string[];
}

interface ShapeOfRank {
  2: [out: number, in_: number];
  4: [out: number, channels: number, height: number, width: number];
}

/** PyTorch's shape of a weight, its parts put one below the other; undefined if it is not there. */
export function torchShapeOf(found: FoundModel, ours: string): number[] | undefined {
  const parts = found.weights.get(ours);
  if (!parts) return undefined;
  const [first, ...below] = parts;
  const [rows, ...rest] = partShape(found, ours, first);
  if (rows === undefined) return [];
  return [below.reduce((sum, part) => sum + (partShape(found, ours, part)[0] ?? 0), rows), ...rest];
}

/** A part's shape as PyTorch has it: [out, in] of a matrix, [D, C, p, q] of the patch projection. */
function partShape({ naming }: FoundModel, ours: string, { tensor, thirds, stacked }: Located): number[] {
  const shape = stacked === undefined ? [...tensor.shape] : tensor.shape.slice(1);
  if (thirds && shape[0] !== undefined) shape[0] = (shape[0] / 3) * (thirds[1] - thirds[0]);
  if (naming.layout !== 'flax') return shape;
  const all = (sizes: readonly number[]) => sizeOf(sizes);
  if (ours === 'patch_embed.kernel') {
    // big_vision's NaFlex has a matrix of whole patches; a square one is what its own code takes it for.
    return shape.length === 4 ? torchShape(shape) : shape;
  }
  if (ours.endsWith('.kernel') && shape.length >= 2) {
    // Heads by themselves: [in, heads, width] of query, key and value, [heads, width, out] of the output.
    const out = isOutput(ours) ? shape.at(-1)! : all(shape.slice(1));
    return [out, all(shape) / out];
  }
  if (/\.(bias|gamma|beta)$/.test(ours)) return [all(shape)];
  return shape;
}

/** Whether a Flax kernel's last axis alone is its output. */
function isOutput(ours: string): boolean {
  return !/\.(qkv|q|kv)\.kernel$/.test(ours);
}

/** The architecture of a checkpoint: shapes decide what they tell, facts next, then what is likely, which is said. */
export function inferArchitecture(found: FoundModel, hints: ArchitectureHints, file: string): Inferred {
  const assumptions: Assumption[] = [];
  const unused: string[] = [];
  const facts = withNamed(hints);
  const has = (name: string) => found.weights.has(name);
  const shape = <R extends 2 | 4>(name: string, rank: R): ShapeOfRank[R] => {
    const dims = torchShapeOf(found, name);
    if (!dims) throw new UserError(missingText(file, found, name));
    if (dims.some((size) => !Number.isSafeInteger(size) || size < 1)) {
      throw new UserError(`${file}: ${nameInCheckpoint(found, name)} has shape [${dims}]`);
    }
    if (dims.length !== rank)
      throw new UserError(
        `${file}: ${nameInCheckpoint(found, name)} should have ${rank} axes, has shape [${dims}]`,
      );
    return dims as ShapeOfRank[R];
  };
  refuseByName(facts, hints, file);
  refuseUnknown(facts, file);
  const told = { ...hints, facts };

  const [embedDim, inChans, patchHeight, patchWidth] = shape('patch_embed.kernel', 4);
  const patchSize = patchHeight === patchWidth ? patchHeight : ([patchHeight, patchWidth] as const);
  const depth = found.numBlocks;
  const parallel = countBranches(found);
  const first =
    parallel > 1
      ? { attn: 'blocks.0.attns.0.attn', mlp: 'blocks.0.ffns.0.mlp', ls: 'blocks.0.attns.0.ls.gamma' }
      : { attn: 'blocks.0.attn', mlp: 'blocks.0.mlp', ls: 'blocks.0.ls1.gamma' };
  if (depth === 0) throw new UserError(missingText(file, found, 'blocks.0.norm1.gamma'));
  const [fc1Rows] = shape(`${first.mlp}.fc1.kernel`, 2);
  const [, hidden] = shape(`${first.mlp}.fc2.kernel`, 2);
  const swiglu = fc1Rows === 2 * hidden;
  const distilled = has('dist_token');
  const tokens = {
    classToken: has('cls_token'),
    distilled,
    registers: has('reg_token') ? (torchShapeOf(found, 'reg_token')!.at(-2) ?? 0) : 0,
  };
  const positions = torchShapeOf(found, 'pos_embed');
  if (!positions) throw new UserError(missingText(file, found, 'pos_embed'));
  if (positions.length < 2 || positions.length > 3) {
    throw new UserError(
      `${file}: ${nameInCheckpoint(found, 'pos_embed')} should have 3 axes, has shape [${positions}]`,
    );
  }
  const grid = patchGrid(positions.at(-2)!, tokens, [patchHeight, patchWidth], told, file, assumptions);
  refuseRmsNorms(found, file);
  const qNorm = torchShapeOf(found, `${first.attn}.q_norm.gamma`);
  const known = knownShape({ embedDim, depth, patchSize });

  const head = readHead(found, told, { embedDim, ...tokens }, file, assumptions, unused);
  const base: VitConfig = {
    name: 'vit',
    imgSize: [grid.rows * patchHeight, grid.columns * patchWidth],
    patchSize,
    patchBias: has('patch_embed.bias'),
    inChans,
    numClasses: head.numClasses,
    embedDim,
    depth,
    numHeads: 1,
    mlpRatio: hidden / embedDim,
    activation: found.naming.activation,
    swiglu,
    qkvBias: has(`${first.attn}.qkv.bias`),
    qkNorm: qNorm !== undefined,
    parallel,
    layerScale: has(first.ls) ? (known?.layerScale ?? 1e-4) : null,
    ...tokens,
    // transformers' DeiT has models with one head, and without heads gives the class token.
    distilledHead: distilled ? has('head_dist.kernel') || found.naming.library !== 'huggingface' : undefined,
    posEmbedPrefix: grid.prefix,
    registerPositions: grid.registers,
    preNorm: has('norm_pre.gamma'),
    finalNorm: head.finalNorm,
    pool: head.pool,
    poolPrefix: facts.config.poolPrefix?.value,
    fcNorm: has('fc_norm.gamma'),
    preLogits: head.preLogits,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  };
  if (hints.model !== 'auto')
    checkNamed({ ...base, ...untoldFields(cardOf(hints.model, hints.tables).config) }, hints, file);
  const numHeads = headsOf(found, base, told, file, assumptions);
  const layerNormEps = epsilonOf(found, base, facts, assumptions);
  const activation = activationOf(found, base, facts, file, assumptions);
  const config = compactConfig({ ...base, numHeads, layerNormEps, activation });
  contradictions(config, facts, file);
  refuseLookAlikes(found, config, facts, hints, file);
  checkConfig({ ...config, name: file });
  sizeInBetween(config, told, assumptions);
  if (hints.model === 'auto')
    return { config: { ...config, ...nearestName(found, config, facts, assumptions) }, assumptions, unused };
  return { config: checkNamed(config, hints, file), assumptions, unused };
}

/** What a named model's configuration says of what shapes do not tell. */
function withNamed({ model, facts, tables }: ArchitectureHints): Facts {
  const named = model === 'auto' ? undefined : cardOf(model, tables).config;
  if (!named) return facts;
  const source = `--model ${model}`;
  const { numHeads, layerNormEps, activation, pool } = untoldFields(named);
  const said = {
    numHeads: { value: numHeads, source },
    layerNormEps: { value: layerNormEps, source },
    ...(activation && { activation: { value: activation, source } }),
    pool: { value: pool, source },
  };
  return { ...facts, config: { ...said, ...facts.config } };
}

/** The fields that shapes do not tell. */
function untoldFields({ numHeads, layerNormEps, activation = 'gelu', pool = 'token', swiglu }: VitConfig) {
  return { numHeads, layerNormEps, ...(swiglu ? {} : { activation }), pool };
}

/** The entry of a named model; a UserError if there is none. */
function cardOf(model: string, tables: ModelTables) {
  const named = tables.namedModel(model);
  if (named) return named;
  throw new UserError(
    `no model is named "${model}"; \`deit models\` lists those that are there, and auto finds out`,
  );
}

function countBranches(found: FoundModel): number {
  let count = 0;
  while (count < 64 && found.weights.has(`blocks.0.attns.${count}.norm.gamma`)) count++;
  return Math.max(1, count);
}

/** Root-mean-square norms have factors and nothing to add. */
function refuseRmsNorms({ weights }: FoundModel, file: string): void {
  const names = [...weights.keys()];
  if (names.some((name) => name.endsWith('.beta')) || !names.some((name) => name.endsWith('.gamma'))) return;
  throw new UserError(
    `${file}: no norm has a bias: root-mean-square norms (RMSNorm), as in AIMv2, are not computed here`,
  );
}

/** What a head may read and what an MLP may apply; another is told by scripts that had a model with it. */
const COMPUTED = {
  pool: ['token', 'mean', 'token_mean', 'map'],
  activation: ['gelu', 'gelu_tanh', 'quick_gelu', 'relu', 'silu'],
} as const;

/** Throws a UserError if a file beside the tensors tells of a pooling or an activation that is not computed here. */
function refuseUnknown({ config }: Facts, file: string): void {
  for (const field of ['pool', 'activation'] as const) {
    const fact = config[field];
    if (!fact || (COMPUTED[field] as readonly string[]).includes(fact.value)) continue;
    throw new UserError(
      `${file}: ${fact.source} is "${fact.value}", which is not computed here; --${field} says otherwise`,
    );
  }
}

/** Published names of what has the tensors of a ViT and computes something else. */
function refuseByName(facts: Facts, hints: ArchitectureHints, file: string): void {
  if (hints.model !== 'auto') return;
  const why = facts.name && foreignByName(facts.name.value);
  if (!why) return;
  throw new UserError(
    `${file}: is ${facts.name!.value} by ${facts.name!.source}, which has ${why}; that is not computed here`,
  );
}

/** Without a name, tensors that are as likely those of a model that is none of this family. */
function refuseLookAlikes(
  { naming, prefix }: FoundModel,
  config: VitConfig,
  facts: Facts,
  hints: ArchitectureHints,
  file: string,
): void {
  if (facts.name || hints.model !== 'auto') return;
  const ask = 'say which by --model, or by the config.json beside the file';
  const bare = prefix === '' && facts.library?.value !== 'facebook';
  if (naming === facebook && config.layerScale !== null && bare) {
    throw new UserError(
      `${file}: its tensors are those of facebookresearch’s DeiT III and of timm’s ViTs with rotary position embeddings, which are not computed here; ${ask}`,
    );
  }
  if (naming.name === 'timm' && config.preNorm && (config.pool === 'map' || config.finalNorm === false)) {
    throw new UserError(
      `${file}: its tensors are those of timm’s Perception Encoders (vit_pe_…), which have rotary position embeddings and are not computed here, or of a ViT of one’s own; ${ask}`,
    );
  }
  if (
    config.classToken === false &&
    config.fcNorm &&
    !config.qkvBias &&
    !config.registers &&
    config.layerScale === null
  ) {
    throw new UserError(
      `${file}: its tensors are those of a ViT with pooled patches and of timm’s vit_base_patch16_rpn_224, whose norms are behind attention and MLP and which is not computed here; ${ask}`,
    );
  }
}

interface HeadParts {
  readonly numClasses: number;
  readonly pool: VitConfig['pool'];
  readonly preLogits: number;
  readonly finalNorm: boolean;
}

/** What lies between the blocks and the logits. */
function readHead(
  found: FoundModel,
  hints: ArchitectureHints,
  shape: { embedDim: number; registers: number; classToken: boolean; distilled: boolean },
  file: string,
  assumptions: Assumption[],
  unused: string[],
): HeadParts {
  const { facts } = hints;
  const has = (name: string) => found.weights.has(name);
  const drop = (part: string) => {
    for (const name of found.weights.keys()) if (name.startsWith(`${part}.`)) unused.push(name);
  };
  const { embedDim, classToken } = shape;
  const headShape = torchShapeOf(found, 'head.kernel');
  if (headShape && headShape.length !== 2)
    throw new UserError(
      `${file}: ${nameInCheckpoint(found, 'head.kernel')} should have 2 axes, has shape [${headShape}]`,
    );
  const numClasses = headShape?.[0] ?? 0;
  checkWay(found, embedDim, hints, file);
  const preLogits = preLogitsOf(found, hints, numClasses, file, drop);
  const map = has('attn_pool.latent');
  const told = facts.config.pool?.value;
  // transformers' classifiers of vision towers read the mean of the patches: CLIP's before its last norm, both
  // without what serves the comparison with texts alone (modeling_clip.py, modeling_siglip.py).
  const ofTower = found.naming.rows.patch_embed?.includes('embeddings.patch_embedding');
  const classifier = found.weights
    .get('head.kernel')
    ?.some(({ tensor }) => /classifier(\.\d+)?\.weight$/.test(tensor.name));
  if (ofTower && classifier) {
    if (map) drop('attn_pool');
    if (classToken) drop('norm');
    return { numClasses, pool: 'mean', preLogits, finalNorm: !classToken && has('norm.gamma') };
  }
  const finalNorm = has('norm.gamma');
  if (!finalNorm && has('norm.beta')) throw new UserError(missingText(file, found, 'norm.gamma'));
  if (!finalNorm && !has('fc_norm.gamma') && facts.config.finalNorm?.value !== false) {
    assumptions.push({
      field: 'finalNorm',
      value: 'none',
      why: `${nameInCheckpoint(found, 'norm.gamma')} is not in the file: the model has no norm after its blocks, or the file is not whole`,
    });
  }
  const pool = poolingOf();
  return { numClasses, pool, preLogits, finalNorm };

  function poolingOf(): NonNullable<VitConfig['pool']> {
    if (map) {
      if ((classToken || shape.registers > 0) && !facts.config.poolPrefix) {
        const why =
          'attention pooling reads the patches alone by default, class and register tokens too where timm’s pool_include_prefix is set';
        assumptions.push({ field: 'poolPrefix', value: 'false', why });
      }
      return 'map';
    }
    const width = headShape && !preLogits ? headShape[1] : embedDim;
    if (width === 2 * embedDim && classToken) return 'token_mean';
    if (told && told !== 'map' && (classToken || told !== 'token')) return told;
    if (!classToken) {
      if (found.naming.library === 'timm') {
        const why =
          'without a class token the head reads the mean of the patches in every published model; timm’s global_pool max, avgmax and none have the same tensors and are not computed here';
        assumptions.push({ field: 'pool', value: 'mean', why }, ...prefixInMean());
      }
      return 'mean';
    }
    if (has('fc_norm.gamma')) {
      const why =
        'a norm behind the pooling goes with the mean of the patches in every published model; --pool says otherwise';
      assumptions.push({ field: 'pool', value: 'mean', why });
      if (found.naming.library === 'timm') assumptions.push(...prefixInMean());
      return 'mean';
    }
    // transformers' and torchvision's classifiers have no other way.
    const hasOneWay = ['huggingface', 'torchvision'].includes(found.naming.library);
    if (shape.distilled || numClasses === 0 || hasOneWay) return 'token';
    assumptions.push({
      field: 'pool',
      value: 'token',
      why: 'the head reads the class token; tensors do not tell it from the mean of the patches without a norm of its own (timm’s fc_norm=False); --pool says otherwise',
    });
    return 'token';
  }

  function prefixInMean(): Assumption[] {
    if (facts.config.poolPrefix || shape.registers === 0) return [];
    const why =
      'the mean is of the patches alone by default, of class and register tokens too where timm’s pool_include_prefix is set';
    return [{ field: 'poolPrefix', value: 'false', why }];
  }
}

/** The hidden layer before the head: its width, or 0. transformers ignores its pooler before a classifier. */
function preLogitsOf(
  found: FoundModel,
  hints: ArchitectureHints,
  numClasses: number,
  file: string,
  drop: (part: string) => void,
): number {
  const width = torchShapeOf(found, 'pre_logits.kernel')?.[0] ?? 0;
  if (width === 0) return 0;
  const isPooler = found.naming.library === 'huggingface';
  if (!isPooler) return width;
  if (numClasses === 0 || hints.headless) {
    drop('pre_logits');
    return 0;
  }
  const told = hints.pooler ?? toldPooler(hints.facts);
  if (told === undefined) {
    throw new UserError(
      `${file}: a pooler (${nameInCheckpoint(found, 'pre_logits.kernel')}) and a classifier behind it: transformers’ own ` +
        'ForImageClassification leaves such a pooler out, other code reads it; say which with --pooler or --no-pooler',
    );
  }
  if (!told) drop('pre_logits');
  return told ? width : 0;
}

function toldPooler({ config, name }: Facts): boolean | undefined {
  if (config.preLogits) return config.preLogits.value > 0;
  return name && /ForImageClassification/.test(name.value) ? false : undefined;
}

/** Beside a body may lie layers that stand between its features and the logits: they are not left out silently. */
function checkWay(found: FoundModel, embedDim: number, hints: ArchitectureHints, file: string): void {
  const { besideBody, weights, naming } = found;
  if (hints.headless || weights.has('attn_pool.latent')) return;
  const head = torchShapeOf(found, 'head.kernel');
  const widths = new Set([embedDim, 2 * embedDim, ...(head ?? [])]);
  const onTheWay = besideBody.filter(
    ({ shape: [first, ...rest] }) => first !== undefined && (rest.length > 0 || widths.has(first)),
  );
  if (onTheWay.length === 0) return;
  const shown =
    onTheWay
      .slice(0, 3)
      .map(({ name }) => name)
      .join(', ') + (onTheWay.length > 3 ? ', …' : '');
  const what = head
    ? `a head (${nameInCheckpoint(found, 'head.kernel')}) and beside it`
    : 'no head that is known, and beside it';
  throw new UserError(
    `${file}: the ${naming.name} model has ${what} ${shown}, which may lie on the way to the logits; ` +
      'give --num-classes 0 to take the model without them',
  );
}

function library(facts: Facts, { library: byNames }: Naming): Library {
  return facts.library?.value ?? byNames;
}

/** The number of heads that a tensor's shape tells, and how; undefined where none does. */
function headsInShapes(found: FoundModel, embedDim: number): { heads: number; tells: string } | undefined {
  const name = `blocks.0.${countBranches(found) > 1 ? 'attns.0.attn' : 'attn'}`;
  const width = torchShapeOf(found, `${name}.q_norm.gamma`)?.[0];
  if (width !== undefined && width > 0 && embedDim % width === 0) {
    const heads = embedDim / width;
    return { heads, tells: `norms of queries are ${width} wide, ${heads} heads` };
  }
  if (found.naming.layout !== 'flax') return undefined;
  // Flax keeps heads apart: [in, heads, width], behind the depth where blocks are stacked.
  const [first] = found.weights.get(`${name}.qkv.kernel`) ?? [];
  if (!first) return undefined;
  const [, heads, each, ...rest] =
    first.stacked === undefined ? first.tensor.shape : first.tensor.shape.slice(1);
  if (heads === undefined || each === undefined || rest.length > 0 || heads * each !== embedDim)
    return undefined;
  return { heads, tells: `${first.tensor.name} has ${heads} heads` };
}

/** Heads: by a tensor's shape, else told, else what published models of this shape have. */
function headsOf(
  found: FoundModel,
  config: VitConfig,
  { facts }: ArchitectureHints,
  file: string,
  assumptions: Assumption[],
): number {
  const { embedDim, depth } = config;
  const patch = typeof config.patchSize === 'number' ? config.patchSize : config.patchSize[0];
  const told = facts.config.numHeads;
  const shaped = headsInShapes(found, embedDim);
  if (shaped && told && told.value !== shaped.heads) {
    throw new UserError(`${file}: ${shaped.tells}; ${told.source} says ${told.value}`);
  }
  if (shaped) return shaped.heads;
  if (told) {
    if (embedDim % told.value === 0) return told.value;
    throw new UserError(
      `${file}: a width of ${embedDim} does not divide into ${told.value} heads (${told.source}); give another --num-heads`,
    );
  }
  const likely = likelyHeads({ embedDim, depth, patch, library: library(facts, found.naming) });
  if (!likely) {
    throw new UserError(
      `${file}: a width of ${embedDim} does not divide into heads of 64, and shapes do not tell their number; give --num-heads`,
    );
  }
  assumptions.push({
    field: 'numHeads',
    value: String(likely.heads),
    why: `${likely.why}; --num-heads says otherwise`,
  });
  return likely.heads;
}

function epsilonOf(found: FoundModel, config: VitConfig, facts: Facts, assumptions: Assumption[]): number {
  if (facts.config.layerNormEps) return facts.config.layerNormEps.value;
  const { naming } = found;
  const epsilon = (config.preNorm && naming.preNormEpsilon) || naming.epsilon;
  assumptions.push({
    field: 'layerNormEps',
    value: epsilon.toExponential(),
    why: `what ${naming.resampledAs} has by default${config.preNorm && naming.preNormEpsilon ? ' in models with a norm before the blocks' : ''}; --layer-norm-eps says otherwise`,
  });
  return epsilon;
}

function activationOf(
  found: FoundModel,
  config: VitConfig,
  facts: Facts,
  file: string,
  assumptions: Assumption[],
): VitConfig['activation'] {
  const { naming } = found;
  if (config.swiglu) {
    assumptions.push(...gateAssumption(found, facts, file));
    return undefined;
  }
  if (facts.config.activation) return facts.config.activation.value;
  const value = naming.activation ?? 'gelu';
  const others = config.preNorm ? '; OpenAI’s CLIP models have quick_gelu, most others the exact one' : '';
  assumptions.push({
    field: 'activation',
    value,
    why: `what ${naming.resampledAs} has by default${others}; --activation says otherwise`,
  });
  return value;
}

/**
 * What is assumed of a gated MLP whose names do not tell its gate: timm's Block gives its GluMlp and SwiGLU any activation,
 * and GluMlp's gate is its first half or its second (layers/mlp.py). DINOv2's w12 and gate_proj are SwiGLU's alone.
 *
 * @throws UserError if another activation than silu is told
 */
function gateAssumption({ weights }: FoundModel, facts: Facts, file: string): Assumption[] {
  const parts = [
    ...(weights.get('blocks.0.mlp.fc1.kernel') ?? []),
    ...(weights.get('blocks.0.ffns.0.mlp.fc1.kernel') ?? []),
  ];
  const packed = parts.some(({ tensor }) => /\bfc1\.weight$/.test(tensor.name));
  const halves = parts.some(({ tensor }) => /\bfc1_[gx]\.weight$/.test(tensor.name));
  if (!packed && !halves) return [];
  const { activation, swiglu } = facts.config;
  if (activation && activation.value !== 'silu') {
    throw new UserError(
      `${file}: its MLPs are gated, and ${activation.source} says ${activation.value}: only gates of silu (SwiGLU) are computed here`,
    );
  }
  if (swiglu || (halves && activation)) return [];
  const which = packed ? 'silu of the first half' : 'silu';
  const others = packed
    ? 'another activation, or the second half for a gate (GluMlp)'
    : 'another activation for a gate';
  const why = `its MLPs are gated, as SwiGLU is; models of timm with ${others} have the same tensors and are not computed here`;
  return [{ field: 'swiglu', value: which, why }];
}

/** Facts that the tensors contradict: one of the two is of another model. */
function contradictions(config: VitConfig, facts: Facts, file: string): void {
  const fields = [
    'embedDim',
    'depth',
    'inChans',
    'qkvBias',
    'swiglu',
    'qkNorm',
    'parallel',
    'registers',
    'distilled',
    'classToken',
    'preNorm',
    'patchSize',
  ] as const;
  const check = (field: keyof VitConfig, have: unknown, isSame: (told: unknown) => boolean) => {
    const fact = facts.config[field];
    if (!fact || isSame(fact.value)) return;
    throw new UserError(
      `${file}: ${field} is ${shownValue(have)} by the tensors, ${shownValue(fact.value)} by ${fact.source}; they belong to different models`,
    );
  };
  const meant: Record<string, unknown> = {
    swiglu: false,
    qkNorm: false,
    parallel: 1,
    registers: 0,
    classToken: true,
    preNorm: false,
  };
  for (const field of fields) {
    const have = config[field] ?? meant[field];
    check(field, have, (told) => String(told) === String(have));
  }
  const { embedDim, mlpRatio, swiglu, numClasses, finalNorm = true, fcNorm = false } = config;
  // Libraries cut the width of an MLP to a whole number, SwiGLU's each in its own way.
  const hidden = Math.round(embedDim * mlpRatio);
  if (!swiglu) {
    check('mlpRatio', mlpRatio, (told) => Math.abs(embedDim * (told as number) - hidden) < 1);
  }
  // A model whose head was left out has all else.
  if (numClasses > 0) check('numClasses', numClasses, (told) => told === numClasses);
  // timm's final_norm moves behind the pooling with fc_norm.
  check('finalNorm', finalNorm, (told) => told === (finalNorm || fcNorm));
  if (finalNorm || fcNorm) check('fcNorm', fcNorm, (told) => told === fcNorm);
}

const shownValue = (value: unknown) => (Array.isArray(value) ? value.join('×') : String(value));

interface Grid {
  readonly rows: number;
  readonly columns: number;
  /** Whether prefix tokens have positions, and registers among them. */
  readonly prefix: boolean;
  readonly registers: boolean;
}

/** The grid that position embeddings were made for: with or without slots for the prefix tokens. */
function patchGrid(
  positions: number,
  tokens: { classToken: boolean; distilled: boolean; registers: number },
  patch: readonly [number, number],
  { imgSize, facts }: ArchitectureHints,
  file: string,
  assumptions: Assumption[],
): Grid {
  const special = Number(tokens.classToken) + Number(tokens.distilled);
  const slots = [
    { count: special, prefix: special > 0, registers: false },
    ...(tokens.registers > 0 ? [{ count: special + tokens.registers, prefix: true, registers: true }] : []),
    ...(special > 0 ? [{ count: 0, prefix: false, registers: false }] : []),
  ].filter(
    ({ prefix }) =>
      facts.config.posEmbedPrefix === undefined ||
      prefix === facts.config.posEmbedPrefix.value ||
      special === 0,
  );
  const sizes = (size: readonly [number, number]) => ({
    rows: Math.floor(size[0] / patch[0]),
    columns: Math.floor(size[1] / patch[1]),
  });
  const told = facts.config.imgSize;
  const exact = (size: readonly [number, number], count: number) => {
    const { rows, columns } = sizes(size);
    return rows * columns === positions - count && rows > 0 ? { rows, columns } : undefined;
  };
  for (const { count, ...slot } of slots) {
    const grid = told && exact(told.value, count);
    if (grid) return { ...grid, ...slot };
  }
  if (told && facts.library?.value === 'huggingface') {
    throw new UserError(
      `${file}: pos_embed has ${positions} positions, and ${told.source} says ${told.value.join('×')} pixels; they belong to different models`,
    );
  }
  const isAsked = (count: number) => imgSize !== undefined && exact(imgSize, count) !== undefined;
  for (const { count, ...slot } of oneReading(slots, positions, isAsked, file)) {
    const side = squareSide(positions - count);
    const asked = imgSize && exact(imgSize, count);
    if (side !== undefined) {
      if (asked && asked.rows !== side && !told) {
        assumptions.push({
          field: 'imgSize',
          value: imgSize.join('×'),
          why: `the position embeddings are as many as ${asked.rows}×${asked.columns} patches and are taken for that grid; ${side}×${side} would be resampled`,
        });
        return { ...asked, ...slot };
      }
      return { rows: side, columns: side, ...slot };
    }
    if (asked) return { ...asked, ...slot };
  }
  throw new UserError(
    `${file}: pos_embed has ${positions} positions, which is no square grid with or without ${special + tokens.registers} prefix token(s); ` +
      'give the input size it was made for as --img-size HEIGHTxWIDTH',
  );
}

/** The side of a square grid of so many patches. */
function squareSide(patches: number): number | undefined {
  const side = Math.round(Math.sqrt(Math.max(patches, 0)));
  return side > 0 && side * side === patches ? side : undefined;
}

/**
 * The readings of positions that are left: with registers 9 positions may be 3×3 patches, or 2×2 with a class token and
 * four registers, which are other networks.
 *
 * @throws UserError if several are left and the size that was asked for is not of one of them alone
 */
function oneReading<S extends { readonly count: number }>(
  slots: readonly S[],
  positions: number,
  isAsked: (count: number) => boolean,
  file: string,
): readonly S[] {
  const squares = slots.filter(({ count }) => squareSide(positions - count) !== undefined);
  if (squares.length < 2) return slots;
  const asked = squares.filter(({ count }) => isAsked(count));
  if (asked.length === 1) return asked;
  const shown = squares.map(({ count }) => {
    const side = squareSide(positions - count);
    return `${side}×${side} patches${count > 0 ? ` and ${count} prefix tokens` : ' alone'}`;
  });
  throw new UserError(
    `${file}: pos_embed has ${positions} positions, which are ${shown.join(', or ')}; ` +
      'give the input size it was made for as --img-size HEIGHTxWIDTH',
  );
}

/** Input sizes that published models have. */
const COMMON_SIZES = [160, 192, 196, 224, 240, 256, 288, 320, 336, 384, 392, 448, 512, 518];

/** A size that is no multiple of the patch gives the same grid as the next smaller multiple. */
function sizeInBetween(
  config: VitConfig,
  { imgSize, facts }: ArchitectureHints,
  assumptions: Assumption[],
): void {
  if (imgSize) return;
  const [rows, columns] = gridSize(config);
  const sameGrid = (size: number) =>
    String(gridSize({ ...config, imgSize: [size, size] })) === String([rows, columns]);
  const assume = (why: string) => {
    const value = config.imgSize.join('×');
    assumptions.push({ field: 'imgSize', value, why: `${why}; --img-size says otherwise` });
  };
  const told = facts.config.imgSize;
  if (told) {
    const fits = String(gridSize({ ...config, imgSize: told.value })) === String([rows, columns]);
    // What is prepared at another size is resampled, and said so.
    if (fits || facts.preprocessing) return;
    assume(`${told.source} says ${told.value.join('×')}, and there are ${rows}×${columns} positions`);
    return;
  }
  const other = COMMON_SIZES.find((size) => size !== config.imgSize[0] && sameGrid(size));
  if (other) {
    assume(
      `shapes tell the grid of ${rows}×${columns} patches; ${other}×${other} pixels have the same, and published models have them`,
    );
  } else if (!COMMON_SIZES.includes(config.imgSize[0]) && !facts.preprocessing) {
    assume(`shapes tell ${rows * columns} patches, which are taken for a square of whole ones`);
  }
}

/** A published model of this width, depth and patch. */
function knownShape(shape: Pick<VitConfig, 'embedDim' | 'depth' | 'patchSize'>): VitConfig | undefined {
  return modelEntries
    .map((card) => card.config)
    .find(
      (known) =>
        known.embedDim === shape.embedDim &&
        known.depth === shape.depth &&
        String(known.patchSize) === String(shape.patchSize),
    );
}

/** Name and input size of the model of this very shape and grid, else a name that says the shape. */
function nearestName(
  { naming, prefix }: FoundModel,
  config: VitConfig,
  facts: Facts,
  assumptions: Assumption[],
): Pick<VitConfig, 'name' | 'imgSize'> {
  const told = facts.config.imgSize?.value;
  const sameGrid = (size: readonly [number, number]) =>
    String(gridSize({ ...config, imgSize: size })) === String(gridSize(config));
  const imgSize = told && sameGrid(told) ? told : config.imgSize;
  const name = facts.name && modelName(facts.name.value);
  if (name) return { name, imgSize };
  // Others' ViTs have the shapes of DeiTs, and other weights.
  const isDeit = ['facebook', 'timm', 'mmpretrain'].includes(naming.library) || /(^|\.)deit\.$/.test(prefix);
  const known = modelEntries
    .map((card) => card.config)
    .find((card) => isDeit && differingField(card, config) === undefined && sameGrid(card.imgSize));
  if (known) {
    assumptions.push({
      field: 'name',
      value: known.name,
      why: 'of all named models the one of this shape; --model says otherwise',
    });
    return { name: known.name, imgSize: known.imgSize };
  }
  const kind = config.distilled ? 'deit_distilled' : 'vit';
  const patch = patchText(config)
    .replace(/^(\d+)×\1$/, '$1')
    .replace('×', 'x');
  return {
    name: `${kind}_d${config.embedDim}_l${config.depth}_patch${patch}_${inputName({ imgSize })}`,
    imgSize,
  };
}

/** The model's part of a published name: `timm/vit_base_patch16_224.augreg_in1k` → `vit_base_patch16_224`. */
function modelName(published: string): string | undefined {
  const [name = ''] = published.split('/').at(-1)!.split('.');
  return /^[a-z][a-z0-9]*[_-][\w-]*\d/i.test(name) ? name : undefined;
}

/** The input size as it stands in a model's name: `224`, or `192x256`. */
export function inputName({ imgSize: [height, width] }: Pick<VitConfig, 'imgSize'>): string {
  return height === width ? String(height) : `${height}x${width}`;
}

/** A named model must be what the checkpoint holds; one line says the first field that is not. */
function checkNamed(config: VitConfig, hints: ArchitectureHints, file: string): VitConfig {
  const named = cardOf(hints.model, hints.tables).config;
  const field = differingField(named, config);
  if (field === 'layerScale') {
    const has = config.layerScale === null ? 'has no LayerScale' : 'has LayerScale';
    throw new UserError(`${file}: is not ${named.name}: the checkpoint ${has}`);
  }
  if (field) {
    throw new UserError(
      `${file}: is not ${named.name}: ${field} should be ${named[field]}, the checkpoint has ${config[field]}`,
    );
  }
  const size = String(gridSize(named)) === String(gridSize(config)) ? named.imgSize : config.imgSize;
  return { ...config, name: named.name, layerScale: named.layerScale, imgSize: size };
}
