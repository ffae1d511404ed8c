import { create } from '@bufbuild/protobuf';
import { UserError } from '../../../src/errors.js';
import { type VitConfig, weightSpecs } from '../../../src/models/config.js';
import type { WeightReader } from '../../../src/models/weights.js';
import type { OutputSink } from '../sink.js';
import { encodeSavedModel } from './encode.js';
import { tensorShape } from './graphBuilder.js';
import { DataType, MetaGraphDefSchema } from './tensorflow_pb.js';
import { buildVitGraph } from './vitGraph.js';

/** Names by which TensorFlow Serving and tf.node.loadSavedModel find the graph, its input and its output. */
export const SAVED_MODEL = {
  tag: 'serve',
  signature: 'serving_default',
  input: 'images',
  output: 'logits',
} as const;

/**
 * Writes a model as a TensorFlow SavedModel: one file, saved_model.pb, with the weights as constants of the graph.
 * Its signature takes `images` [-1, H, W, C], float32, normalised as the model's preset says, and gives `logits`
 * [-1, classes] (the mean of both heads' for a distilled model; without a head, the class token's features
 * [-1, D]).
 *
 * Constants let TensorFlow lay out and pack the weights once, which a checkpoint of variables does not, and bound
 * the file to 2 GiB: enough for every model of configs/ but deit3_huge. Throws a UserError beyond that. About one
 * block's weights are held in memory at a time.
 *
 * @param readWeight gives a weight by its name in weightSpecs, in tfjs' layout, float32
 */
export async function writeSavedModel(
  config: VitConfig,
  readWeight: WeightReader,
  sink: OutputSink,
): Promise<void> {
  const { nodes, input, output } = buildVitGraph(config, checkSizes(config, readWeight));
  const tensorInfo = ({ name, shape }: typeof input) => ({
    name: `${name}:0`,
    dtype: DataType.DT_FLOAT,
    tensorShape: tensorShape(shape),
  });
  const metaGraph = create(MetaGraphDefSchema, {
    metaInfoDef: { tags: [SAVED_MODEL.tag] },
    signatureDef: {
      [SAVED_MODEL.signature]: {
        inputs: { [SAVED_MODEL.input]: tensorInfo(input) },
        outputs: { [SAVED_MODEL.output]: tensorInfo(output) },
        methodName: 'tensorflow/serving/predict',
      },
    },
  });
  await sink.write('saved_model.pb', encodeSavedModel(metaGraph, nodes));
}

/** A reader that throws a UserError if a weight has another number of values than the model needs. */
function checkSizes(config: VitConfig, readWeight: WeightReader): WeightReader {
  const shapes = new Map(weightSpecs(config).map(({ name, shape }) => [name, shape]));
  return async (name) => {
    const values = await readWeight(name);
    const shape = shapes.get(name)!;
    const size = shape.reduce((product, side) => product * side, 1);
    if (values.length === size) return values;
    throw new UserError(
      `${config.name}: ${name} should have ${size} values, [${shape}], but has ${values.length}`,
    );
  };
}
