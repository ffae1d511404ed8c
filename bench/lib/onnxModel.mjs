/**
 * Writes a model of this project as ONNX (onnx.proto3, https://github.com/onnx/onnx), for the runtimes that read it.
 *
 * The graph is what torch.onnx.export makes of timm's ViT at opset 20, the batch fixed; onnxruntime-web takes as long for
 * it as for PyTorch's own exports of the same models (TorchScript and dynamo; within 3 % on tiny, small and base).
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { namedWeights } from '../../dist/src/models/weights.js';

const FLOAT = 1;
const INT64 = 7;

/** A protobuf message from [field number, kind, value] triples; `undefined` values are left out. */
function message(...fields) {
  const writer = new BinaryWriter();
  for (const [number, kind, value] of fields) {
    if (value === undefined) continue;
    if (kind === 'int') writer.tag(number, WireType.Varint).int64(BigInt(value));
    if (kind === 'float') writer.tag(number, WireType.Bit32).float(value);
    if (kind === 'text') writer.tag(number, WireType.LengthDelimited).string(value);
    if (kind === 'bytes') writer.tag(number, WireType.LengthDelimited).bytes(value);
  }
  return writer.finish();
}

const many = (number, kind, values) => values.map((value) => [number, kind, value]);

/** AttributeProto: a whole number, a list of them, or `{float}`. */
function attribute(name, value) {
  if (Array.isArray(value)) return message([1, 'text', name], ...many(8, 'int', value), [20, 'int', 7]);
  if (typeof value === 'number') return message([1, 'text', name], [3, 'int', value], [20, 'int', 2]);
  return message([1, 'text', name], [2, 'float', value.float], [20, 'int', 1]);
}

/** NodeProto. */
function node(type, inputs, output, attributes) {
  const attrs = Object.entries(attributes).map(([name, value]) => attribute(name, value));
  return message(
    ...many(1, 'text', inputs),
    [2, 'text', output],
    [3, 'text', output],
    [4, 'text', type],
    ...many(5, 'bytes', attrs),
  );
}

/** TensorProto with raw little-endian data. */
function tensor(name, type, shape, values) {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return message(...many(1, 'int', shape), [2, 'int', type], [8, 'text', name], [9, 'bytes', bytes]);
}

/** ValueInfoProto of a float tensor. */
function valueInfo(name, shape) {
  const dims = shape.map((size) => message([1, 'int', size]));
  const type = message([1, 'int', FLOAT], [2, 'bytes', message(...many(1, 'bytes', dims))]);
  return message([1, 'text', name], [2, 'bytes', message([1, 'bytes', type])]);
}

/** Collects nodes and constants; `op` gives the name of the new node's output, which is the node's too. */
class Graph {
  nodes = [];
  constants = [];
  known = new Set();

  op(type, inputs, attributes = {}, output = `${type}_${this.nodes.length}`) {
    this.nodes.push(node(type, inputs, output, attributes));
    return output;
  }

  floats(name, shape, values) {
    this.constants.push(tensor(name, FLOAT, shape, values));
    return name;
  }

  /** A list of whole numbers, written once however often it is asked for. */
  ints(...values) {
    const name = `ints_${values.join('_')}`;
    if (!this.known.has(name)) {
      this.known.add(name);
      this.constants.push(tensor(name, INT64, [values.length], BigInt64Array.from(values, BigInt)));
    }
    return name;
  }

  /** A single whole number. */
  int(value) {
    const name = `int_${value}`;
    if (!this.known.has(name)) {
      this.known.add(name);
      this.constants.push(tensor(name, INT64, [], BigInt64Array.of(BigInt(value))));
    }
    return name;
  }

  /** ModelProto. */
  finish(inputs, outputs, opset) {
    const graph = message(
      ...many(1, 'bytes', this.nodes),
      [2, 'text', 'vit'],
      ...many(5, 'bytes', this.constants),
      ...many(11, 'bytes', inputs),
      ...many(12, 'bytes', outputs),
    );
    return message(
      [1, 'int', 9],
      [2, 'text', 'deit-tfjs bench'],
      [7, 'bytes', graph],
      [8, 'bytes', message([2, 'int', opset])],
    );
  }
}

/** [p, p, C, D] → [D, C, p, p]. */
function toOihw(values, [height, width, depth, count]) {
  const result = new Float32Array(values.length);
  let from = 0;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let c = 0; c < depth; c++)
        for (let d = 0; d < count; d++) result[((d * depth + c) * height + y) * width + x] = values[from++];
  return result;
}

/**
 * @param model a VisionTransformer of this project: no LayerScale, position embeddings over all tokens
 * @param batch images in a batch
 * @param input name of the graph's input
 * @returns bytes of an ONNX file: images [batch, C, H, W] → logits [batch, classes]
 */
export function onnxModel(model, batch, input = 'images') {
  const { config } = model;
  const { embedDim: dim, numHeads: heads, depth, layerNormEps } = config;
  const headDim = dim / heads;
  const [rows, cols] = config.imgSize.map((side) => Math.floor(side / config.patchSize));
  const prefix = config.distilled ? 2 : 1;
  const tokens = prefix + rows * cols;
  const weights = namedWeights(model.layersModel);
  const graph = new Graph();
  const weight = (name) => {
    const tensor = weights.get(name).read();
    return graph.floats(name, tensor.shape, tensor.dataSync());
  };
  const norm = (x, name) =>
    graph.op('LayerNormalization', [x, weight(`${name}.gamma`), weight(`${name}.beta`)], {
      axis: -1,
      epsilon: { float: layerNormEps },
    });
  const linear = (x, name) =>
    graph.op('Add', [graph.op('MatMul', [x, weight(`${name}.kernel`)]), weight(`${name}.bias`)]);

  const kernel = weights.get('patch_embed.kernel').read();
  const projection = graph.floats(
    'patch_embed.kernel',
    [dim, config.inChans, config.patchSize, config.patchSize],
    toOihw(kernel.dataSync(), /** @type {[number, number, number, number]} */ (kernel.shape)),
  );
  const grid = graph.op('Conv', [input, projection, weight('patch_embed.bias')], {
    kernel_shape: [config.patchSize, config.patchSize],
    strides: [config.patchSize, config.patchSize],
  });
  const flat = graph.op('Reshape', [grid, graph.ints(batch, dim, rows * cols)]);
  const patches = graph.op('Transpose', [flat], { perm: [0, 2, 1] });
  const spread = (name) => graph.op('Expand', [weight(name), graph.ints(batch, 1, dim)]);
  const front = config.distilled ? [spread('cls_token'), spread('dist_token')] : [spread('cls_token')];
  let x = graph.op('Add', [graph.op('Concat', [...front, patches], { axis: 1 }), weight('pos_embed')]);

  const scale = graph.floats('scale', [], Float32Array.of(1 / Math.sqrt(headDim)));
  for (let i = 0; i < depth; i++) {
    const qkv = linear(norm(x, `blocks.${i}.norm1`), `blocks.${i}.attn.qkv`);
    const split = graph.op('Reshape', [qkv, graph.ints(batch, tokens, 3, heads, headDim)]);
    const apart = graph.op('Transpose', [split], { perm: [2, 0, 3, 1, 4] });
    const [q, k, v] = [0, 1, 2].map((part) => graph.op('Gather', [apart, graph.int(part)], { axis: 0 }));
    const turned = graph.op('Transpose', [k], { perm: [0, 1, 3, 2] });
    const scores = graph.op('MatMul', [graph.op('Mul', [q, scale]), turned]);
    const attended = graph.op('MatMul', [graph.op('Softmax', [scores], { axis: -1 }), v]);
    const back = graph.op('Transpose', [attended], { perm: [0, 2, 1, 3] });
    const merged = graph.op('Reshape', [back, graph.ints(batch, tokens, dim)]);
    x = graph.op('Add', [x, linear(merged, `blocks.${i}.attn.proj`)]);
    const hidden = graph.op('Gelu', [linear(norm(x, `blocks.${i}.norm2`), `blocks.${i}.mlp.fc1`)]);
    x = graph.op('Add', [x, linear(hidden, `blocks.${i}.mlp.fc2`)]);
  }
  x = norm(x, 'norm');
  const head = (token, name, output) => {
    const row = graph.op('Gather', [x, graph.int(token)], { axis: 1 });
    return graph.op('Gemm', [row, weight(`${name}.kernel`), weight(`${name}.bias`)], {}, output);
  };
  if (config.distilled) {
    const sum = graph.op('Add', [head(0, 'head'), head(1, 'head_dist')]);
    graph.op('Mul', [sum, graph.floats('half', [], Float32Array.of(0.5))], {}, 'logits');
  } else {
    head(0, 'head', 'logits');
  }
  const images = valueInfo(input, [batch, config.inChans, ...config.imgSize]);
  return graph.finish([images], [valueInfo('logits', [batch, config.numClasses])], 20);
}
