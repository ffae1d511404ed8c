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
import type { ArchitectureHints } from './architectureHints.js';
import { aroundModel } from './aroundModel.js';
import { likelyHeads } from './conventions.js';
import type { Assumption, Fact, Facts, Library } from './facts.js';
import { unknownModel } from './findEntry.js';
import { type FoundModel, missingText, nameInCheckpoint } from './findModel.js';
import { countBranches, shapeOfRank, torchShapeOf } from './foundShapes.js';
import type { ModelTables } from './modelTables.js';
import { facebook } from './namings/facebook.js';
import { foreignByName } from './namings/foreign.js';
import type { Naming } from './namings/index.js';
import { patchGrid } from './patchGrid.js';
import { readHead } from './readHead.js';

/** An architecture with what was taken for likely. */
export interface Inferred {
  readonly config: VitConfig;
  readonly assumptions: readonly Assumption[];
  /** Our names of weights that are in the file and that no output depends on. */
  readonly unused: readonly string[];
}

/** The architecture of a checkpoint: shapes decide what they tell, facts next, then what is likely, which is said. */
export function inferArchitecture(found: FoundModel, hints: ArchitectureHints, file: string): Inferred {
  const unused: string[] = [];
  const facts = withNamed(hints);
  const assumptions: Assumption[] = [...(facts.assumptions ?? [])];
  refuseByName(facts, hints, file);
  refuseUnknown(facts, file);
  const told = { ...hints, facts };
  const shaped = configOfTensors(found, told, file, assumptions, unused);
  if (hints.model !== 'auto')
    checkNamed({ ...shaped, ...untoldFields(cardOf(hints.model, hints.tables).config) }, hints, file);
  const numHeads = headsOf(found, shaped, told, file, assumptions);
  const layerNormEps = epsilonOf(found, shaped, facts, assumptions);
  const activation = activationOf(found, shaped, facts, file, assumptions);
  const config = compactConfig({ ...shaped, numHeads, layerNormEps, activation });
  oldScale(config, assumptions);
  contradictions(config, facts, file);
  refuseLookAlikes(found, config, facts, hints, file);
  checkConfig({ ...config, name: file });
  sizeInBetween(config, told, assumptions);
  if (hints.model === 'auto')
    return { config: { ...config, ...nearestName(found, config, facts, assumptions) }, assumptions, unused };
  return { config: checkNamed(config, hints, file), assumptions, unused };
}

/** What tensors tell of the configuration; name, heads, epsilon and activation are yet to be filled in. */
function configOfTensors(
  found: FoundModel,
  told: ArchitectureHints,
  file: string,
  assumptions: Assumption[],
  unused: string[],
): VitConfig {
  const has = (name: string) => found.weights.has(name);
  const { patch, ...patches } = readPatches(found, file);
  const { hasLayerScale, ...blocks } = readBlocks(found, patches.embedDim, file);
  const tokens = readTokens(found);
  const positions = nameInCheckpoint(found, 'pos_embed');
  const layout = { ...tokens, library: found.naming.library, positions };
  const grid = patchGrid(countPositions(found, file), layout, patch, told, file, assumptions);
  refuseRmsNorms(found, file);
  const shape = { ...patches, depth: blocks.depth };
  const head = readHead(found, told, { ...patches, ...tokens }, file, assumptions, unused);
  assumptions.push(...aroundModel(found, patches.inChans, told.headless ?? false));
  return {
    name: 'vit',
    imgSize: [grid.rows * patch[0], grid.columns * patch[1]],
    ...patches,
    ...blocks,
    ...tokens,
    ...head,
    numHeads: 1,
    activation: found.naming.activation,
    layerScale: hasLayerScale ? (knownShape(shape)?.layerScale ?? 1e-4) : null,
    // transformers' DeiT has models with one head, and without heads gives the class token.
    distilledHead: tokens.distilled
      ? has('head_dist.kernel') || found.naming.library !== 'huggingface'
      : undefined,
    posEmbedPrefix: grid.prefix,
    registerPositions: grid.registers,
    preNorm: has('norm_pre.gamma'),
    poolPrefix: told.facts.config.poolPrefix?.value,
    fcNorm: has('fc_norm.gamma'),
    dropPathRate: 0,
    layerNormEps: 1e-6,
  };
}

/** The patch projection: `patch` is height and width, in pixels. */
function readPatches(found: FoundModel, file: string) {
  const shape = shapeOfRank(found, 'patch_embed.kernel', 4, file);
  refuseChannelsLast(found, shape, file);
  const [embedDim, inChans, height, width] = shape;
  const patch = [height, width] as const;
  return {
    patch,
    patchSize: height === width ? height : patch,
    patchBias: found.weights.has('patch_embed.bias'),
    inChans,
    embedDim,
  };
}

/** MLX keeps a convolution as [out, height, width, in], TensorFlow as [height, width, in, out]: read as PyTorch's, it is another model. */
function refuseChannelsLast(found: FoundModel, shape: readonly number[], file: string): void {
  const isImage = (sides: readonly number[], channels: number) =>
    sides[0] === sides[1] && [1, 3, 4].includes(channels) && channels < sides[0]!;
  const [a, b, c, d] = shape as [number, number, number, number];
  if (found.naming.layout === 'flax' || !(isImage([b, c], d) || (isImage([a, b], c) && d > c))) return;
  const expected = isImage([b, c], d) ? [a, d, b, c] : [d, c, a, b];
  throw new UserError(
    `${file}: ${nameInCheckpoint(found, 'patch_embed.kernel')} has shape [${shape.join(', ')}], channels last as MLX and TensorFlow keep them; ` +
      `expected PyTorch’s [${expected.join(', ')}]: save the weights in that layout`,
  );
}

/** The blocks: their number, and what the first one has. */
function readBlocks(found: FoundModel, embedDim: number, file: string) {
  const has = (name: string) => found.weights.has(name);
  const depth = found.numBlocks;
  const parallel = countBranches(found);
  const first =
    parallel > 1
      ? { attn: 'blocks.0.attns.0.attn', mlp: 'blocks.0.ffns.0.mlp', ls: 'blocks.0.attns.0.ls.gamma' }
      : { attn: 'blocks.0.attn', mlp: 'blocks.0.mlp', ls: 'blocks.0.ls1.gamma' };
  if (depth === 0) throw new UserError(missingText(file, found, 'blocks.0.norm1.gamma'));
  const [fc1Rows] = shapeOfRank(found, `${first.mlp}.fc1.kernel`, 2, file);
  const [, hidden] = shapeOfRank(found, `${first.mlp}.fc2.kernel`, 2, file);
  return {
    depth,
    parallel,
    mlpRatio: hidden / embedDim,
    swiglu: fc1Rows === 2 * hidden,
    qkvBias: has(`${first.attn}.qkv.bias`),
    qkNorm: has(`${first.attn}.q_norm.gamma`),
    hasLayerScale: has(first.ls),
  };
}

/** The tokens before the patches. */
function readTokens(found: FoundModel) {
  return {
    classToken: found.weights.has('cls_token'),
    distilled: found.weights.has('dist_token'),
    registers: torchShapeOf(found, 'reg_token')?.at(-2) ?? 0,
  };
}

/** Number of position embeddings. */
function countPositions(found: FoundModel, file: string): number {
  const shape = torchShapeOf(found, 'pos_embed');
  if (!shape) throw new UserError(missingText(file, found, 'pos_embed'));
  if (shape.length < 2 || shape.length > 3) {
    throw new UserError(
      `${file}: ${nameInCheckpoint(found, 'pos_embed')} should have 3 axes, has shape [${shape}]`,
    );
  }
  return shape.at(-2)!;
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
    activation: { value: activation, source },
    pool: { value: pool, source },
  };
  return { ...facts, config: { ...said, ...facts.config } };
}

/** The fields that shapes do not tell. */
function untoldFields({ numHeads, layerNormEps, swiglu, activation = 'gelu', pool = 'token' }: VitConfig) {
  return { numHeads, layerNormEps, activation: swiglu ? ('silu' as const) : activation, pool };
}

/** The entry of a named model; a UserError if there is none. */
function cardOf(model: string, tables: ModelTables) {
  const named = tables.namedModel(model);
  if (named) return named;
  throw new UserError(`${unknownModel(model)}, and auto finds out`);
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
    `${file}: is ${facts.name.value} by ${facts.name.source}, which has ${why}; that is not computed here`,
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
  { naming }: FoundModel,
  config: VitConfig,
  facts: Facts,
  file: string,
  assumptions: Assumption[],
): VitConfig['activation'] {
  const told = facts.config.activation;
  if (config.swiglu) {
    // A code base's own SwiGLU has no other gate, whatever its configuration calls an activation; timm's takes one.
    if (naming.library !== 'timm' && naming.library !== 'facebook') return undefined;
    if (told && told.value !== 'silu') {
      throw new UserError(
        `${file}: the MLPs are gated, and ${told.source} says ${told.value}; the gate that is computed here is silu`,
      );
    }
    if (!told) {
      const why =
        'the MLPs are gated as DINOv2’s; another gate (GEGLU: timm’s SwiGLUPacked without act_layer) has the same tensors and is not computed here';
      assumptions.push({ field: 'activation', value: 'silu', why });
    }
    return undefined;
  }
  if (told) return told.value;
  const value = naming.activation ?? 'gelu';
  const others = config.preNorm ? '; OpenAI’s CLIP models have quick_gelu, most others the exact one' : '';
  const usual =
    naming.layout === 'flax'
      ? 'as timm computes these weights; google-research’s own code calls flax’s nn.gelu, which is gelu_tanh'
      : `what ${naming.resampledAs} has by default${others}`;
  assumptions.push({ field: 'activation', value, why: `${usual}; --activation says otherwise` });
  return value;
}

/** timm's pretrained vit_small of before 0.5, and what was fine-tuned from it, divide by the root of the whole width. */
function oldScale(
  { embedDim, depth, mlpRatio, qkvBias, numHeads }: VitConfig,
  assumptions: Assumption[],
): void {
  if (embedDim !== 768 || depth !== 8 || mlpRatio !== 3 || qkvBias) return;
  const why = `timm’s first pretrained vit_small_patch16_224 (vit_small_p16_224-15ec54c9.pth) and models fine-tuned from it have 768**-0.5 in place of ${embedDim / numHeads}**-0.5, with the same tensors; such a model is not computed here as it was trained, unless its queries’ weights are divided by ${Math.sqrt(numHeads).toFixed(4)}`;
  assumptions.push({ field: 'attentionScale', value: `${embedDim / numHeads}**-0.5`, why });
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
  ] as const;
  for (const field of fields) {
    const fact = facts.config[field];
    if (!fact) continue;
    const meant = { swiglu: false, qkNorm: false, parallel: 1, registers: 0, classToken: true } as Record<
      string,
      unknown
    >;
    const have = config[field] ?? meant[field];
    if (fact.value !== have) contradiction(field, have, fact, file);
  }
  const { patchSize, mlpRatio } = facts.config;
  if (patchSize && patchText({ patchSize: patchSize.value }) !== patchText(config)) {
    contradiction('patchSize', config.patchSize, patchSize, file);
  }
  // Hidden widths are whole; code bases round those of gates in their own ways.
  if (mlpRatio && !config.swiglu && Math.abs(mlpRatio.value - config.mlpRatio) * config.embedDim >= 1) {
    contradiction('mlpRatio', config.mlpRatio, mlpRatio, file);
  }
  normContradictions(config, facts, file);
}

/** timm's final_norm moves behind the pooling with fc_norm. */
function normContradictions(config: VitConfig, facts: Facts, file: string): void {
  const { preNorm: before = false, finalNorm: after = true, fcNorm: behind = false } = config;
  const { preNorm, finalNorm, fcNorm } = facts.config;
  if (preNorm && preNorm.value !== before) contradiction('preNorm', before, preNorm, file);
  if (finalNorm && finalNorm.value !== (after || behind)) contradiction('finalNorm', after, finalNorm, file);
  if (fcNorm && (after || behind) && fcNorm.value !== behind) contradiction('fcNorm', behind, fcNorm, file);
}

function contradiction(field: string, have: unknown, fact: Fact<unknown>, file: string): never {
  throw new UserError(
    `${file}: ${field} is ${have} by the tensors, ${fact.value} by ${fact.source}; they belong to different models`,
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
  if (imgSize || facts.config.imgSize) return;
  const [rows, columns] = gridSize(config);
  const sameGrid = (size: number) =>
    String(gridSize({ ...config, imgSize: [size, size] })) === String([rows, columns]);
  const assume = (why: string) => {
    const value = config.imgSize.join('×');
    assumptions.push({ field: 'imgSize', value, why: `${why}; --img-size says otherwise` });
  };
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
