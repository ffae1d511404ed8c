import { UserError } from '../errors.js';
import { gridSize, mlpDim, numPrefixTokens, type VitConfig } from './config.js';

/** One layer of a model: its class, its name, its settings and the layers that it reads. */
export interface LayerNode {
  className: string;
  name: string;
  config: Record<string, unknown>;
  inputs: readonly string[];
}

/** Name of the layer whose output is the model's. */
export function outputLayer(config: VitConfig): string {
  return config.distilled ? 'logits' : 'head';
}

/**
 * The layers of a vision transformer, in order (ViT, arXiv 2010.11929, figure 1; DeiT, arXiv 2012.12877, figure 2).
 * At inference a distilled model's output is the mean of the logits of its two heads (DeiT, section 3); without heads
 * (units 0) that of its two tokens, as facebookresearch/deit and timm have it with num_classes=0.
 */
export function layerNodes(config: VitConfig): LayerNode[] {
  const { depth, numHeads, qkvBias, layerScale, layerNormEps: epsilon, numClasses: units } = config;
  const { quantization } = config;
  const quantized = quantization ? { quantization, prefixTokens: numPrefixTokens(config) } : {};
  const nodes: LayerNode[] = [];
  let last = 'images';
  const add = (className: string, name: string, settings: Record<string, unknown>, inputs = [last]) => {
    nodes.push({ className, name, config: settings, inputs });
    last = name;
  };
  add('DeitPatchEmbed', 'patch_embed', { patchSize: config.patchSize, embedDim: config.embedDim });
  add('DeitTokens', 'tokens', { distilled: config.distilled, posEmbedPrefix: config.posEmbedPrefix });
  for (let i = 0; i < depth; i++) {
    const dropPathRate = depth > 1 ? (config.dropPathRate * i) / (depth - 1) : 0;
    const block = {
      numHeads,
      mlpDim: mlpDim(config),
      qkvBias,
      layerScale,
      dropPathRate,
      epsilon,
      ...quantized,
    };
    add('DeitTransformerBlock', `blocks.${i}`, block);
  }
  add('DeitLayerNorm', 'norm', { epsilon });
  add('DeitHead', 'head', { token: 0, units });
  if (config.distilled) {
    add('DeitHead', 'head_dist', { token: 1, units }, ['norm']);
    add('Average', 'logits', {}, ['head', 'head_dist']);
  }
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

/** Sums of this many products of an 11-bit and an 8-bit code fit in 32 bits: 8192 · 2047 · 127 < 2^31. */
const MAX_QUANTIZED_WIDTH = 8192;

/** Throws a UserError if a configuration cannot be built. */
export function checkConfig(config: VitConfig): void {
  const { name, imgSize, patchSize, embedDim, numHeads, numClasses, dropPathRate } = config;
  const fail = (what: string): never => {
    throw new UserError(`${name}: ${what}`);
  };
  const whole: [string, number, number][] = [
    ['patchSize', patchSize, 1],
    ['inChans', config.inChans, 1],
    ['numClasses', numClasses, 0],
    ['embedDim', embedDim, 1],
    ['depth', config.depth, 1],
    ['numHeads', numHeads, 1],
    ['imgSize[0]', imgSize[0], 1],
    ['imgSize[1]', imgSize[1], 1],
  ];
  for (const [field, value, least] of whole) {
    if (!Number.isInteger(value) || value < least) {
      fail(`${field} must be a whole number of at least ${least}, got ${value}`);
    }
  }
  if (gridSize(config).some((side) => side < 1))
    fail(`an input of ${imgSize.join('×')} pixels is smaller than a patch of ${patchSize}×${patchSize}`);
  if (config.quantization !== undefined && config.quantization !== 'int8') {
    fail(`quantization must be int8, got ${config.quantization}`);
  }
  if (config.quantization && Math.max(embedDim, mlpDim(config)) > MAX_QUANTIZED_WIDTH) {
    fail(`layers wider than ${MAX_QUANTIZED_WIDTH} cannot be quantized to int8`);
  }
  if (embedDim % numHeads !== 0) fail(`embedDim ${embedDim} does not divide into ${numHeads} heads`);
  if (!(config.mlpRatio > 0)) fail(`mlpRatio must be above 0, got ${config.mlpRatio}`);
  if (!(dropPathRate >= 0 && dropPathRate < 1)) fail(`dropPathRate must lie in [0, 1), got ${dropPathRate}`);
}
