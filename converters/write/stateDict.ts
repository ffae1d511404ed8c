import { UserError } from '../../src/errors.js';
import {
  numPrefixPositions,
  numPrefixTokens,
  poolOf,
  type VitConfig,
} from '../../src/families/vit/config.js';
import { weightSpecs } from '../../src/families/vit/weights.js';
import { expectedNames, hasRow } from '../matchNames.js';
import { exportedTexts } from '../metadata/ownExport.js';
import { facebook } from '../namings/facebook.js';
import type { Naming } from '../namings/index.js';
import { timm } from '../namings/timm.js';
import { STORED_CONFIG } from '../storedFacts.js';
import { torchShape, toTorchLayout } from '../tensorLayout.js';
import type { WritableModel } from './layersModel.js';
import { safetensorsChunks, type WritableTensor } from './safetensors.js';

/** The field by which a model is none that timm or facebookresearch/deit can build; undefined if they can. */
function unexportable(config: VitConfig): string | undefined {
  const { distilled, distilledHead = true, registers = 0, preNorm = false, patchBias = true } = config;
  const positions = numPrefixPositions(config);
  if (poolOf(config) === 'token_mean') return 'pool token_mean (the head reads the class token and the mean)';
  if (config.preLogits) return 'preLogits (a hidden layer before the head)';
  if (config.fcNorm && config.finalNorm !== false) return 'fcNorm beside a final norm';
  if (distilled && !distilledHead) return 'distilledHead false (a distillation token without a head)';
  if (distilled && registers > 0) return 'registers in a distilled model';
  if (preNorm === patchBias) return `patchBias ${patchBias} with preNorm ${preNorm}`;
  if (positions !== 0 && positions !== numPrefixTokens(config))
    return 'registerPositions false (positions for the class token alone)';
  return undefined;
}

/** facebookresearch's names where it has the model, else timm's. */
function namingOf(config: VitConfig): Naming {
  return weightSpecs(config).every(({ name }) => hasRow(facebook, name)) ? facebook : timm;
}

/** A model's weights as facebookresearch/deit or, for other variants, timm names and lays them out. */
function facebookTensors({ config, readWeight }: WritableModel): WritableTensor[] {
  const field = unexportable(config);
  if (field)
    throw new UserError(
      `${config.name}: cannot be exported: no model of timm or facebookresearch/deit has ${field}`,
    );
  const naming = namingOf(config);
  return weightSpecs(config).map(({ name, shape }) => {
    const isKernel = name.endsWith('.kernel');
    const there = isKernel ? torchShape(shape) : [...shape];
    const read = async () => {
      const values = await readWeight(name);
      return isKernel ? toTorchLayout(values, there) : values;
    };
    return { name: expectedNames(naming, name)[0]!, shape: there, read };
  });
}

/** The fields that tensors do not tell, so that who reads the file need not assume them. */
function untold(config: VitConfig): Partial<VitConfig> {
  const { activation = 'gelu', pool = 'token', poolPrefix, layerNormEps } = config;
  return {
    ...(config.swiglu ? {} : { activation }), // a gate is silu
    ...(pool === 'map' ? {} : { pool }),
    ...(poolPrefix ? { poolPrefix } : {}),
    layerNormEps,
  };
}

/**
 * The bytes of a safetensors file with a model's state_dict, as PyTorch loads it into facebookresearch/deit's or timm's
 * model of the same shape. What tensors do not tell stands in the metadata: the number of heads, activation, pooling
 * and epsilon, and the classes' names as a JSON array.
 *
 * @throws UserError that names the field if neither has such a model
 */
export function stateDictChunks(model: WritableModel): AsyncGenerator<Uint8Array> {
  const { name, numHeads } = model.config;
  const { labels } = model;
  return safetensorsChunks(facebookTensors(model), {
    format: 'pt',
    'args.model': name,
    'args.num_heads': String(numHeads),
    [STORED_CONFIG]: JSON.stringify(untold(model.config)),
    ...(labels ? { labels: JSON.stringify(labels) } : {}),
    ...exportedTexts(model),
  });
}
