import { modelCards } from '../configs/models/index.js';
import { UserError } from '../src/errors.js';
import { differingField, gridSize, type VitConfig } from '../src/families/vit/config.js';
import { type FoundModel, nameInCheckpoint } from './findModel.js';

/** What the shapes of the tensors do not tell. */
export interface ArchitectureHints {
  /** Name of a model, or `auto`. */
  model: string;
  /** Heads of a block, where they are not embedDim / 64. */
  numHeads?: number;
  /** Input size in pixels that the checkpoint was made for, where its patch grid is not square. */
  imgSize?: readonly [number, number];
}

/** Width of a head in every published ViT and DeiT but the huge one, whose shape is in configs. */
const HEAD_DIM = 64;

/** Shape of a tensor of the model, several put one below the other; a UserError if it is missing. */
export function tensorShape(found: FoundModel, name: string, file: string): number[] {
  const parts = found.tensors.get(name);
  if (!parts) {
    throw new UserError(
      `${file}: the tensor ${nameInCheckpoint(found, name)} is missing (${found.keyMap.name} naming); ` +
        'the file is not whole, or of another kind of model',
    );
  }
  const [first, ...rest] = parts.map((part) => part.shape);
  return [rest.reduce((sum, shape) => sum + shape[0], first[0]), ...first.slice(1)];
}

/** The architecture of a checkpoint as its own tensors' shapes tell it, checked against the named model if one is. */
export function inferArchitecture(found: FoundModel, hints: ArchitectureHints, file: string): VitConfig {
  const shape = (name: string, rank: number) => {
    const dims = tensorShape(found, name, file);
    if (dims.length !== rank)
      throw new UserError(`${file}: ${name} should have ${rank} axes, has shape [${dims}]`);
    return dims;
  };
  const [embedDim, inChans, patchSize, patchWidth] = shape('patch_embed.weight', 4);
  if (patchSize !== patchWidth) {
    throw new UserError(
      `${file}: patches of ${patchSize}×${patchWidth} pixels; only square patches are supported`,
    );
  }
  if (found.numBlocks === 0) tensorShape(found, 'blocks.0.norm1.weight', file);
  const distilled = found.tensors.has('dist_token');
  const [, positions] = shape('pos_embed', 3);
  const [mlpDim] = shape('blocks.0.mlp.fc1.weight', 2);
  const grid = patchGrid(positions, distilled ? 2 : 1, patchSize, hints.imgSize, file);
  const known = knownShape({ embedDim, depth: found.numBlocks, patchSize });
  const config: VitConfig = {
    name: 'vit',
    imgSize: [grid.rows * patchSize, grid.columns * patchSize],
    patchSize,
    inChans,
    numClasses: found.tensors.has('head.weight') ? shape('head.weight', 2)[0] : 0,
    embedDim,
    depth: found.numBlocks,
    numHeads: headsOf(embedDim, hints.numHeads ?? known?.numHeads, file),
    mlpRatio: mlpDim / embedDim,
    qkvBias: found.tensors.has('blocks.0.attn.qkv.bias'),
    layerScale: found.tensors.has('blocks.0.ls1.gamma') ? (known?.layerScale ?? 1e-4) : null,
    distilled,
    posEmbedPrefix: grid.prefix,
    dropPathRate: 0,
    layerNormEps: 1e-6,
  };
  if (hints.model === 'auto') return { ...config, ...nearestName(config) };
  return checkNamed(config, hints, file);
}

/** Shapes do not tell the number of heads: a guess that may be wrong would give wrong logits without a word. */
function headsOf(embedDim: number, numHeads: number | undefined, file: string): number {
  const heads = numHeads ?? embedDim / HEAD_DIM;
  if (Number.isInteger(heads) && embedDim % heads === 0) return heads;
  throw new UserError(
    numHeads === undefined
      ? `${file}: a width of ${embedDim} does not divide into heads of ${HEAD_DIM}, and shapes do not tell their number; give --num-heads`
      : `${file}: a width of ${embedDim} does not divide into ${numHeads} heads; give another --num-heads`,
  );
}

/** The grid that position embeddings were made for: with or without slots for the prefix tokens. */
function patchGrid(
  positions: number,
  prefix: number,
  patchSize: number,
  imgSize: readonly [number, number] | undefined,
  file: string,
): { rows: number; columns: number; prefix: boolean } {
  const columnsOfHint = imgSize ? Math.floor(imgSize[1] / patchSize) : 0;
  const rowsOfHint = imgSize ? Math.floor(imgSize[0] / patchSize) : 0;
  // A square grid is what a size is resampled from; 9 positions are 2×4 patches and a token before they are 3×3.
  for (const withPrefix of [true, false]) {
    const patches = positions - (withPrefix ? prefix : 0);
    const side = Math.round(Math.sqrt(patches));
    if (side > 0 && side * side === patches) return { rows: side, columns: side, prefix: withPrefix };
    if (patches > 0 && rowsOfHint * columnsOfHint === patches) {
      return { rows: rowsOfHint, columns: columnsOfHint, prefix: withPrefix };
    }
  }
  throw new UserError(
    `${file}: pos_embed has ${positions} positions, which is no square grid with or without ${prefix} prefix token(s); ` +
      'give the input size it was made for as --img-size HEIGHTxWIDTH',
  );
}

/** A published model of this width, depth and patch. */
function knownShape(shape: { embedDim: number; depth: number; patchSize: number }): VitConfig | undefined {
  return modelCards
    .map((card) => card.config)
    .find(
      (known) =>
        known.embedDim === shape.embedDim &&
        known.depth === shape.depth &&
        known.patchSize === shape.patchSize,
    );
}

/** Name and input size of the model of this very shape and grid, else a name that says the shape. */
function nearestName(config: VitConfig): Pick<VitConfig, 'name' | 'imgSize'> {
  const sameGrid = (known: VitConfig) => String(gridSize(known)) === String(gridSize(config));
  const known = modelCards
    .map((card) => card.config)
    .find((card) => differingField(card, config) === undefined && sameGrid(card));
  if (known) return { name: known.name, imgSize: known.imgSize };
  const kind = config.distilled ? 'deit_distilled' : 'vit';
  const name = `${kind}_d${config.embedDim}_l${config.depth}_patch${config.patchSize}_${inputName(config)}`;
  return { name, imgSize: config.imgSize };
}

/** The input size as it stands in a model's name: `224`, or `192x256`. */
export function inputName({ imgSize: [height, width] }: Pick<VitConfig, 'imgSize'>): string {
  return height === width ? String(height) : `${height}x${width}`;
}

/** A named model must be what the checkpoint holds; one line says the first field that is not. */
function checkNamed(config: VitConfig, hints: ArchitectureHints, file: string): VitConfig {
  const card = modelCards.find(
    ({ config: c, aliases }) => c.name === hints.model || aliases.includes(hints.model),
  );
  if (!card) {
    throw new UserError(
      `no model is named "${hints.model}"; \`deit models\` lists those that are there, and auto finds out`,
    );
  }
  const named = card.config;
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
