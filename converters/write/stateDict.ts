import { weightSpecs } from '../../src/families/vit/weights.js';
import { facebook } from '../keymaps/facebook.js';
import { torchShape, toTorchLayout } from '../tensorLayout.js';
import { torchName } from '../torchName.js';
import type { WritableModel } from './layersModel.js';
import { safetensorsChunks, type WritableTensor } from './safetensors.js';

/** A weight's name in facebookresearch/deit (models.py, models_v2.py), by the converter's own table. */
function facebookName(name: string): string {
  const torch = torchName(name);
  const block = /^blocks\.(\d+)\./.exec(torch)?.[1];
  const pattern = torch.replace(/^blocks\.\d+/, 'blocks.*');
  const direct = (facebook.tensors as Record<string, readonly (string | readonly string[])[]>)[pattern];
  const [, module, kind] = /^(.*)\.(weight|bias)$/.exec(pattern) ?? [];
  const ofModule = (facebook.modules as Record<string, readonly (string | readonly string[])[]>)[module];
  const found = direct ? String(direct[0]) : `${ofModule[0]}.${kind}`;
  return block === undefined ? found : found.replace('*', block);
}

/** A model's weights as facebookresearch/deit names and lays them out. */
export function facebookTensors({ config, readWeight }: WritableModel): WritableTensor[] {
  return weightSpecs(config).map(({ name, shape }) => {
    const isKernel = name.endsWith('.kernel');
    const there = isKernel ? torchShape(shape) : [...shape];
    const read = async () => {
      const values = await readWeight(name);
      return isKernel ? toTorchLayout(values, there) : values;
    };
    return { name: facebookName(name), shape: there, read };
  });
}

/**
 * The bytes of a safetensors file with a model's state_dict, as PyTorch loads it into facebookresearch/deit's or timm's
 * model of the same shape. What tensors do not tell stands in the metadata: the number of heads, and the classes' names as
 * a JSON array.
 */
export function stateDictChunks(model: WritableModel): AsyncGenerator<Uint8Array> {
  const { name, numHeads } = model.config;
  const { labels } = model;
  return safetensorsChunks(facebookTensors(model), {
    format: 'pt',
    'args.model': name,
    'args.num_heads': String(numHeads),
    ...(labels ? { labels: JSON.stringify(labels) } : {}),
  });
}
