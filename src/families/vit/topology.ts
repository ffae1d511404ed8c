import {
  blockConfig,
  headNames,
  headWidth,
  poolConfig,
  poolOf,
  tokensArgs,
  type VitConfig,
} from './config.js';
import { poolName } from './weights.js';

/** One layer of a model: its class, its name, its settings and the layers that it reads. */
export interface LayerNode {
  className: string;
  name: string;
  config: Record<string, unknown>;
  inputs: readonly string[];
}

/** Name of the layer whose output is the model's. */
function outputLayer(config: VitConfig): string {
  return headNames(config).length > 1 ? 'logits' : 'head';
}

/** The layers of a vision transformer in the order of `forward`, each a part of it. */
export function layerNodes(config: VitConfig): LayerNode[] {
  const { layerNormEps: epsilon, numClasses: units, patchSize, embedDim } = config;
  const nodes: LayerNode[] = [];
  let last = 'images';
  const add = (className: string, name: string, settings: object, inputs = [last]) => {
    nodes.push({ className, name, config: { ...settings }, inputs });
    last = name;
  };
  const bias = config.patchBias === false ? { patchBias: false } : {};
  add('DeitPatchEmbed', 'patch_embed', { patchSize, embedDim, ...bias });
  add('DeitTokens', 'tokens', tokensArgs(config));
  if (config.preNorm) add('DeitLayerNorm', 'norm_pre', { epsilon });
  for (let i = 0; i < config.depth; i++) add('DeitTransformerBlock', `blocks.${i}`, blockConfig(config, i));
  if (config.finalNorm !== false) add('DeitLayerNorm', 'norm', { epsilon });
  const tokens = last;
  if (poolOf(config) !== 'token' || config.fcNorm || config.preLogits) {
    add('DeitPool', poolName(config), poolConfig(config));
    if (config.fcNorm) add('DeitLayerNorm', 'fc_norm', { epsilon });
    if (config.preLogits) add('DeitPreLogits', 'pre_logits', { units: headWidth(config) });
    add('DeitHead', 'head', { units });
    return nodes;
  }
  headNames(config).forEach((name, token) => {
    add('DeitHead', name, { token, units }, [tokens]);
  });
  if (headNames(config).length > 1) add('Average', 'logits', {}, [...headNames(config)]);
  return nodes;
}

/**
 * The model as tfjs' own functional configuration, what LayersModel.fromConfig reads and getConfig gives: keys in
 * camel case.
 */
export function topology(config: VitConfig): Record<string, unknown> {
  const batchInputShape = [null, ...config.imgSize, config.inChans];
  const input = {
    name: 'images',
    className: 'InputLayer',
    config: { batchInputShape, dtype: 'float32', sparse: false, name: 'images' },
    inboundNodes: [],
  };
  const layers = layerNodes(config).map(({ className, name, config: settings, inputs }) => ({
    name,
    className,
    config: { name, trainable: true, ...settings },
    inboundNodes: [inputs.map((from) => [from, 0, 0, {}])],
  }));
  return {
    name: config.name,
    layers: [input, ...layers],
    inputLayers: [['images', 0, 0]],
    outputLayers: [[outputLayer(config), 0, 0]],
  };
}
