/** The forward pass of a tf.LayersModel in the operations of the training engine, layer by layer. */
import type * as tfl from '@tensorflow/tfjs-layers';
import { type TrainingForward, Untrainable } from '../engines/wasm/training/index.js';
import type { ConvolutionOps, PixelActivation, Windows } from '../ops/convolutionInterface.js';
import type { Ops } from '../ops/interface.js';

type Layer = tfl.layers.Layer;
type Engine = Parameters<TrainingForward>[0];
type EngineValue = Parameters<TrainingForward>[1];

/** A value with the rows and columns of its pixels; without them a row an image. */
interface Placed {
  readonly value: EngineValue;
  readonly size?: readonly [height: number, width: number];
}

interface Place {
  readonly ops: Ops<EngineValue> & ConvolutionOps<EngineValue>;
  readonly layer: Layer;
  readonly config: Record<string, unknown>;
  /** Whether the values are for a step, not for an answer. */
  readonly training: boolean;
}

type Write = (place: Place, inputs: readonly [Placed, ...Placed[]]) => Placed;

const LAYERS: Record<string, Write> = {
  Conv2D: (place, [x]) => {
    const { ops, config } = place;
    const size = pixelsOf(place, x);
    const windows = windowsOf(place, size);
    const [kernel, bias] = namesOf(place.layer);
    const names = { kernel: kernel!, ...(config.useBias ? { bias: bias! } : {}) };
    return activated(place, placed(ops.convolution(x.value, names, windows), windows));
  },
  DepthwiseConv2D: (place, [x]) => {
    const { ops, config, layer } = place;
    if (config.depthMultiplier !== 1) refuse(layer, 'a depthMultiplier other than 1');
    const windows = windowsOf(place, pixelsOf(place, x));
    const [kernel, bias] = namesOf(layer);
    const names = { kernel: kernel!, ...(config.useBias ? { bias: bias! } : {}) };
    return activated(place, placed(ops.depthwiseConvolution(x.value, names, windows), windows));
  },
  BatchNormalization: (place, [x]) => {
    const { ops, config, layer } = place;
    requireLastAxis(place, x);
    const names = namesOf(layer);
    const gamma = config.scale ? names.shift() : undefined;
    const beta = config.center ? names.shift() : undefined;
    const [mean, variance] = names as [string, string];
    const all = { ...(gamma ? { gamma } : {}), ...(beta ? { beta } : {}), mean, variance };
    const options = { epsilon: config.epsilon as number, momentum: config.momentum as number };
    return { ...x, value: ops.batchNorm(x.value, all, options) };
  },
  DeitLayerNorm: layerNorm,
  LayerNormalization: (place, inputs) => {
    const { config, layer } = place;
    if (!config.center || !config.scale) refuse(layer, 'no gamma or no beta');
    requireLastAxis(place, inputs[0]);
    return layerNorm(place, inputs);
  },
  ReLU: ({ ops, config, layer }, [x]) => {
    if (config.maxValue !== undefined && config.maxValue !== null) refuse(layer, 'a maxValue');
    return { ...x, value: ops.activation(x.value, 'relu') };
  },
  Activation: (place, [x]) => activated(place, x),
  MaxPooling2D: (place, [x]) => {
    const windows = windowsOf(place, pixelsOf(place, x), place.config.poolSize as [number, number]);
    return placed(place.ops.maxPool(x.value, windows), windows);
  },
  GlobalAveragePooling2D: (place, [x]) => {
    pixelsOf(place, x);
    return { value: place.ops.meanTokens(x.value, 0) };
  },
  Flatten: ({ ops }, [x]) => ({ value: ops.flatten(x.value) }),
  Dense: (place, [x]) => {
    const [kernel, bias] = namesOf(place.layer);
    const names = { kernel: kernel!, ...(place.config.useBias ? { bias: bias! } : {}) };
    return activated(place, { ...x, value: place.ops.dense(x.value, names) });
  },
  Add: ({ ops }, [first, ...others]) => ({
    ...first,
    value: others.reduce((sum, x) => ops.add(sum, x.value), first.value),
  }),
  Dropout: ({ layer, config, training }, [x]) => {
    if (training && config.rate !== 0) refuse(layer, 'a rate other than 0');
    return x;
  },
  InputLayer: (_place, [x]) => x,
  DeitRegnetStem: (place, [x]) => {
    const { ops, layer } = place;
    const windows = windowsAround(pixelsOf(place, x), 3, 2);
    const [kernel, bias] = namesOf(layer) as [string, string];
    const value = ops.activation(ops.convolution(x.value, { kernel, bias }, windows), 'relu');
    return placed(value, windows);
  },
  DeitRegnetBlock: regnetBlock,
  DeitPooledHead: (place, [x]) => {
    pixelsOf(place, x);
    const [kernel, bias] = namesOf(place.layer) as [string, string];
    return { value: place.ops.dense(place.ops.meanTokens(x.value, 0), { kernel, bias }) };
  },
};

/** As RegnetBlock.call. */
function regnetBlock(place: Place, [x]: readonly [Placed, ...Placed[]]): Placed {
  const { ops, layer, config } = place;
  const size = pixelsOf(place, x);
  const stride = config.stride as 1 | 2;
  const names = namesOf(layer);
  const named = (part: string) => names.find((name) => name.endsWith(`.${part}`))!;
  const layerOf = (part: string) => ({ kernel: named(`${part}.kernel`), bias: named(`${part}.bias`) });
  const windows = windowsAround(size, 3, stride);
  const kernels = names.filter((name) => /\.conv2\.kernel\d+$/.test(name));
  let y = ops.activation(ops.dense(x.value, layerOf('conv1')), 'relu');
  y = ops.groupedConvolution(y, { kernels, bias: named('conv2.bias') }, windows);
  y = ops.activation(y, 'relu');
  if (config.squeeze !== null) {
    const hidden = ops.activation(ops.dense(ops.meanTokens(y, 0), layerOf('se.fc1')), 'relu');
    y = ops.gate(y, ops.activation(ops.dense(hidden, layerOf('se.fc2')), 'sigmoid'));
  }
  const reached = stride === 1 ? x.value : ops.maxPool(x.value, windowsAround(size, 1, stride));
  const shortcut = named('downsample.kernel') ? ops.dense(reached, layerOf('downsample')) : x.value;
  return placed(ops.activation(ops.dense(y, layerOf('conv3'), shortcut), 'relu'), windows);
}

function layerNorm({ ops, layer, config }: Place, [x]: readonly [Placed, ...Placed[]]): Placed {
  const [gamma, beta] = namesOf(layer) as [string, string];
  return { ...x, value: ops.channelNorm(x.value, { gamma, beta }, config.epsilon as number) };
}

/** Windows of an odd side with a border of zeros of half of it, as PyTorch's have it: with a side of 1 pixels are left out. */
function windowsAround([height, width]: readonly [number, number], side: 1 | 3, stride: number): Windows {
  const border = (side - 1) / 2;
  return {
    height,
    width,
    kernel: [side, side],
    strides: [stride, stride],
    padding: [border, border],
    outputHeight: Math.ceil(height / stride),
    outputWidth: Math.ceil(width / stride),
  };
}

/** The windows of a layer of tfjs: what TensorFlow's padding makes of them. */
function windowsOf(
  { layer, config }: Place,
  [height, width]: readonly [number, number],
  kernel = config.kernelSize as [number, number],
): Windows {
  const strides = config.strides as [number, number];
  if (config.dataFormat === 'channelsFirst') refuse(layer, 'channels before rows');
  const dilations = config.dilationRate ?? 1;
  if ([dilations].flat().some((rate) => rate !== 1)) refuse(layer, 'dilation');
  const same = config.padding === 'same';
  if (!same && config.padding !== 'valid') refuse(layer, `the padding ${config.padding}`);
  const along = [height, width].map((length, axis) => {
    const [size, stride] = [kernel[axis]!, strides[axis]!];
    const count = Math.ceil((same ? length : length - size + 1) / stride);
    const zeros = same ? Math.max(0, (count - 1) * stride + size - length) : 0;
    return { count, before: Math.floor(zeros / 2) };
  });
  const [down, across] = along as [(typeof along)[0], (typeof along)[0]];
  return {
    height,
    width,
    kernel,
    strides,
    padding: [down.before, across.before],
    outputHeight: down.count,
    outputWidth: across.count,
  };
}

function placed(value: EngineValue, { outputHeight, outputWidth }: Windows): Placed {
  return { value, size: [outputHeight, outputWidth] };
}

const ACTIVATIONS = new Set(['relu', 'sigmoid']);

/** What a layer's `activation` makes of its result. */
function activated({ ops, layer, config }: Place, x: Placed): Placed {
  const { activation } = config;
  if (activation === 'linear' || activation === undefined || activation === null) return x;
  if (!ACTIVATIONS.has(activation as string)) refuse(layer, `the activation ${activation}`);
  return { ...x, value: ops.activation(x.value, activation as PixelActivation) };
}

function pixelsOf({ layer }: Place, { size }: Placed): readonly [number, number] {
  return size ?? refuse(layer, 'an input that is no image');
}

function requireLastAxis({ layer, config }: Place, { size }: Placed): void {
  const last = size ? 3 : 1;
  if ([config.axis].flat().some((axis) => axis !== -1 && axis !== last))
    refuse(layer, 'another axis than the last');
}

function namesOf(layer: Layer): string[] {
  return layer.weights.map(({ originalName }) => originalName);
}

function refuse(layer: Layer, what: string): never {
  throw new Untrainable(`${layer.name} (${layer.getClassName()}): ${what}`);
}

/**
 * Recorded again for each size of a batch. It throws Untrainable, with the layer's name, where a layer is none that the
 * engine computes.
 */
export function layersForward(
  model: tfl.LayersModel,
  [height, width]: readonly [number, number],
  training: boolean,
): TrainingForward {
  return (ops: Engine, images: EngineValue) => {
    const values = new Map<number, Placed>();
    values.set(model.inputs[0]!.id, { value: ops.pixels(images), size: [height, width] });
    for (const layer of model.layers) {
      const write = LAYERS[layer.getClassName()];
      if (!write) throw new Untrainable(`${layer.name}: a layer ${layer.getClassName()}`);
      if (layer.inboundNodes.length !== 1) refuse(layer, 'a layer that is used twice');
      const { inputTensors, outputTensors } = layer.inboundNodes[0]!;
      const given = inputTensors.map(({ id }) => values.get(id));
      const inputs = given.length > 0 ? given : [values.get(outputTensors[0]!.id)];
      if (inputs.some((input) => input === undefined))
        refuse(layer, 'an input that no layer before it gives');
      const place = { ops, layer, config: layer.getConfig() as Record<string, unknown>, training };
      values.set(outputTensors[0]!.id, write(place, inputs as [Placed, ...Placed[]]));
    }
    const { value, size } = values.get(model.outputs[0]!.id)!;
    if (size) throw new Untrainable('a model whose output is no row of logits');
    return value;
  };
}
