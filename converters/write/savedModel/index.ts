import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { UserError } from '../../../src/errors.js';
import type { WeightReader } from '../../../src/families/types.js';
import type { VitConfig } from '../../../src/families/vit/config.js';
import { weightSpecs } from '../../../src/families/vit/weights.js';
import { sizeOf } from '../../../src/shape.js';
import type { OutputSink } from '../sink.js';
import { encodeSavedModel } from './encode.js';
import { type Assignment, GraphBuilder, type GraphNode, tensorShape, type Weight } from './graphBuilder.js';
import { DataType, MetaGraphDefSchema, type SignatureDefSchema } from './tensorflow_pb.js';
import { buildVitGraph, type VitGraph } from './vitGraph.js';

export type { Weight };

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
  const graph = buildVitGraph(config, checkSizes(config, readWeight));
  const signatures = { [SAVED_MODEL.signature]: predictSignature(graph) };
  await sink.write('saved_model.pb', encodeSavedModel(metaGraph(signatures), graph.nodes));
}

/** Weights that one signature of a graph without values assigns together: by the names of its inputs. */
export interface WeightGroup {
  readonly signature: string;
  readonly inputs: Readonly<Record<string, Weight>>;
  /** Name of the signature's output, a scalar without meaning. */
  readonly output: string;
}

/**
 * Writes the graph of writeSavedModel with variables for its weights and without their values, some 200 kB: for the
 * process that holds the weights already and runs the graph itself. Nothing of the weights is then copied while
 * TensorFlow reads and rewrites the graph, which costs constants ten times their size in memory. Attention's products
 * are those that TensorFlow does fastest (projectHeads), where writeSavedModel's are right in every executor.
 *
 * @returns what must be assigned once, after loading, before the first prediction
 */
export async function writeGraphWithoutValues(
  config: VitConfig,
  readWeight: WeightReader,
  sink: OutputSink,
): Promise<readonly WeightGroup[]> {
  const builder = new GraphBuilder('variables');
  const graph = buildVitGraph(config, checkSizes(config, readWeight), builder, 'heads');
  const signatures: Record<string, Signature> = { [SAVED_MODEL.signature]: predictSignature(graph) };
  const groups: WeightGroup[] = [];
  for (const [group, members] of groupByBlock(builder)) {
    const done = builder.done(
      `assigned/${group}`,
      members.map(({ assign }) => assign),
    );
    const signature = `assign/${group}`;
    signatures[signature] = {
      inputs: Object.fromEntries(
        members.map(({ input, weight }) => [input, tensorInfo(input, weight.shape)]),
      ),
      outputs: { done: tensorInfo(done, []) },
      methodName: signature,
    };
    const inputs = Object.fromEntries(members.map(({ input, weight }) => [input, weight]));
    groups.push({ signature, inputs, output: 'done' });
  }
  await sink.write('saved_model.pb', encodeSavedModel(metaGraph(signatures), builder.nodes));
  return groups;
}

/**
 * Writes a graph without signatures, for a process that names the nodes that it feeds and fetches.
 *
 * @returns the tag by which it is loaded
 */
export async function writeGraph(nodes: readonly GraphNode[], sink: OutputSink): Promise<string> {
  await sink.write('saved_model.pb', encodeSavedModel(metaGraph({}), nodes));
  return SAVED_MODEL.tag;
}

/** Assignments by what their weights' names begin with: a block is the largest group. */
function groupByBlock({ assignments }: GraphBuilder): Map<string, Assignment[]> {
  const groups = new Map<string, Assignment[]>();
  for (const [name, assignment] of assignments) {
    const [group] = /^blocks\/\d+|^[^/]+/.exec(name)!;
    groups.set(group, [...(groups.get(group) ?? []), assignment]);
  }
  return groups;
}

type Signature = MessageInitShape<typeof SignatureDefSchema>;

function metaGraph(signatureDef: Record<string, Signature>) {
  return create(MetaGraphDefSchema, { metaInfoDef: { tags: [SAVED_MODEL.tag] }, signatureDef });
}

function predictSignature({ input, output }: VitGraph): Signature {
  return {
    inputs: { [SAVED_MODEL.input]: tensorInfo(input.name, input.shape) },
    outputs: { [SAVED_MODEL.output]: tensorInfo(output.name, output.shape) },
    methodName: 'tensorflow/serving/predict',
  };
}

function tensorInfo(name: string, shape: readonly number[]) {
  return { name: `${name}:0`, dtype: DataType.DT_FLOAT, tensorShape: tensorShape(shape) };
}

/** A reader that throws a UserError if a weight has another number of values than the model needs. */
function checkSizes(config: VitConfig, readWeight: WeightReader): WeightReader {
  const shapes = new Map(weightSpecs(config).map(({ name, shape }) => [name, shape]));
  return async (name) => {
    const values = await readWeight(name);
    const shape = shapes.get(name)!;
    const size = sizeOf(shape);
    if (values.length === size) return values;
    throw new UserError(
      `${config.name}: ${name} should have ${size} values, [${shape}], but has ${values.length}`,
    );
  };
}
