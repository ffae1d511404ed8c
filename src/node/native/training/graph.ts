/** All that a training engine runs, as one TensorFlow graph: its nodes, and what to feed and fetch for each run. */
import {
  floatType,
  GraphBuilder,
  type GraphNode,
  shape,
  string,
} from '../../../../converters/write/savedModel/graphBuilder.js';
import type { BufferName } from '../../../engines/wasm/training/index.js';
import type { TrainingRow } from '../../../engines/wasm/training/weightSpace.js';
import type { VitTraining } from '../../../train/vitEngine.js';
import { Nodes } from './nodes.js';
import { TrainingOps, type Value } from './ops.js';

const T = floatType;

/** The numbers of an update, in the order in which they are fed. */
export const UPDATE_NUMBERS = [
  'step',
  'clip',
  'beta1',
  'beta2',
  'eps',
  'kept',
  'emaDecay',
  'emaRest',
] as const;

/** Nodes that are fed. */
export const FEEDS = {
  images: 'images',
  /** float32 [branches, B]. */
  dropPath: 'dropPath',
  /** float32 [B, width]: the loss by the output. */
  gradient: 'gradient',
  /** float32 [UPDATE_NUMBERS]. */
  numbers: 'numbers',
} as const;

/** Nodes that are fetched; those of a run without a result give a scalar. */
export const FETCHES = {
  logits: 'run/logits',
  /** Begins: every buffer holds zeros. */
  clear: 'run/clear',
  /** Backward passes: they store the gradients, or add them to what is there. */
  store: 'run/store',
  add: 'run/add',
  /** The half of the squares' sum. */
  squares: 'run/squares',
  update: 'run/update',
  answer: 'run/answer',
  /** Drops what a forward pass without a backward pass left. */
  drop: 'run/drop',
} as const;

export interface TrainingGraph {
  readonly nodes: readonly GraphNode[];
  readonly width: number;
  readonly answerWidth: number;
  readonly dropRates: readonly number[];
  readonly reached: ReadonlySet<string>;
  /** Bytes an image that are kept for the backward pass. */
  readonly keptBytes: number;
  /** The node that reads what a buffer holds of a weight, the one that is fed to write it. */
  readNode(buffer: BufferName, weight: string): string;
  writeNode(weight: string): string;
  /** The node that is fetched to write a buffer, all weights fed. */
  writeDone(buffer: BufferName): string;
}

const READ = (buffer: BufferName, weight: string) => `read/${buffer}/${weight}`;
const HANDLE = (buffer: BufferName, weight: string) => `handle/${buffer}/${weight}`;
const WRITE = (weight: string) => `write/${weight}`;
const WRITE_DONE = (buffer: BufferName) => `run/write/${buffer}`;
const STORE = 'kept';

export function buildTrainingGraph(training: VitTraining): TrainingGraph {
  const n = new Nodes(new GraphBuilder());
  const { weights, ema, inputShape } = training;
  addVariables(
    n,
    weights,
    (['weights', 'gradients', 'mean', 'square', 'ema'] as const).filter((name) => ema || name !== 'ema'),
  );
  const images: Value = {
    node: n.placeholder(FEEDS.images, [-1, ...inputShape]),
    rows: 1,
    width: inputShape[0] * inputShape[1] * inputShape[2],
    learns: false,
    imageShape: inputShape,
  };
  const answerWidth = addAnswer(n, training, images);
  const { ops, output } = addForward(n, training, images);
  const reached = addBackward(n, ops, output);
  const learning = weights.filter(({ name }) => reached.has(name));
  n.scope = 'optimizer/';
  addSquares(n, learning);
  addUpdate(n, learning, ema);
  return {
    nodes: n.g.nodes,
    width: output.width,
    answerWidth,
    dropRates: ops.dropRates,
    reached,
    keptBytes: 4 * ops.keptFloats,
    readNode: READ,
    writeNode: WRITE,
    writeDone: WRITE_DONE,
  };
}

function opsOptions({ weights, trainable }: VitTraining) {
  return {
    weight: (name: string) => READ('weights', name),
    shapes: new Map(weights.map((row) => [row.name, row.shape])),
    trainable,
  };
}

function addAnswer(n: Nodes, training: VitTraining, images: Value): number {
  n.scope = 'answer/';
  const ops = new TrainingOps(n, { ...opsOptions(training), training: false });
  const answer = training.predict(ops, images);
  n.g.op('Identity', FETCHES.answer, [answer.node]);
  return answer.width;
}

function addForward(n: Nodes, training: VitTraining, images: Value): { ops: TrainingOps; output: Value } {
  n.scope = 'forward/';
  const dropPath = n.placeholder(FEEDS.dropPath, [-1, -1]);
  const dropFactors = (branch: number) => n.slice(dropPath, [branch, 0], [1, -1]);
  const ops = new TrainingOps(n, { ...opsOptions(training), training: true, dropFactors });
  const whole = training.forward(ops, images);
  const output = ops.firstParts(whole, training.lossColumns ?? whole.width);
  const put = n.stage(STORE, ops.kept);
  n.g.op('Identity', FETCHES.logits, [output.node, `^${put}`]);
  return { ops, output };
}

/** Gives the names of the weights that the loss reaches. */
function addBackward(n: Nodes, ops: TrainingOps, output: Value): ReadonlySet<string> {
  n.scope = 'backward/';
  const gradient = n.placeholder(FEEDS.gradient, [-1, output.width]);
  const gradients = ops.goBack(output, gradient, n.unstage(STORE, ops.kept.length));
  const assign = (op: string) =>
    [...gradients].map(([name, node]) => n.op(op, [HANDLE('gradients', name), node], { dtype: T }));
  n.g.done(FETCHES.store, assign('AssignVariableOp'));
  n.g.done(FETCHES.add, assign('AssignAddVariableOp'));
  n.g.done(FETCHES.drop, [n.clearStage(STORE, ops.kept.length)]);
  return new Set(gradients.keys());
}

function addSquares(n: Nodes, rows: readonly TrainingRow[]): void {
  const squares = rows.map(({ name }) => n.op('L2Loss', [READ('gradients', name)]));
  n.g.op('Identity', FETCHES.squares, [n.sumOf(squares)]);
}

/** A variable for each weight in each buffer, what reads it and what writes it. */
function addVariables(n: Nodes, weights: readonly TrainingRow[], buffers: readonly BufferName[]): void {
  const { g } = n;
  n.scope = 'clear/';
  const values = weights.map(({ name, shape: dims }) =>
    g.op('Placeholder', WRITE(name), [], { dtype: T, shape: shape(dims) }),
  );
  const cleared: string[] = [];
  for (const buffer of buffers) {
    const assigned = weights.map(({ name, shape: dims }, i) => {
      const handle = HANDLE(buffer, name);
      const zeros = n.op('Fill', [n.ints(dims), n.scalar(0)]);
      cleared.push(n.op('AssignVariableOp', [handle, zeros], { dtype: T }));
      g.op('VarHandleOp', handle, [], { dtype: T, shape: shape(dims), shared_name: string(handle) });
      g.op('ReadVariableOp', READ(buffer, name), [handle], { dtype: T });
      return g.op('AssignVariableOp', `assign/${buffer}/${name}`, [handle, values[i]!], { dtype: T });
    });
    g.done(WRITE_DONE(buffer), assigned);
  }
  g.done(FETCHES.clear, cleared);
}

/**
 * AdamW (arXiv 1711.05101, algorithm 2, as PyTorch has it), then the running mean of the weights. TensorFlow's kernel of
 * Adam takes the corrections for zero start within its step and its epsilon.
 */
function addUpdate(n: Nodes, rows: readonly TrainingRow[], ema: boolean): void {
  const { g } = n;
  const fed = n.unpack(n.placeholder(FEEDS.numbers, [UPDATE_NUMBERS.length]), UPDATE_NUMBERS.length);
  const number = Object.fromEntries(UPDATE_NUMBERS.map((name, i) => [name, fed[i]!])) as Record<
    (typeof UPDATE_NUMBERS)[number],
    string
  >;
  const done = rows.map(({ name, decays }) => {
    const [w, m, v] = (['weights', 'mean', 'square'] as const).map((buffer) => HANDLE(buffer, name)) as [
      string,
      string,
      string,
    ];
    const gradient = n.mul(READ('gradients', name), number.clip);
    const decayed = decays
      ? [n.op('AssignVariableOp', [w, n.mul(READ('weights', name), number.kept)], { dtype: T })]
      : [];
    const zero = n.scalar(0);
    const { step, beta1, beta2, eps } = number;
    const inputs = [w, m, v, zero, zero, step, beta1, beta2, eps, gradient];
    const adam = n.op('ResourceApplyAdam', [...inputs, ...decayed.map((node) => `^${node}`)]);
    if (!ema) return adam;
    const moved = n.op('ReadVariableOp', [w, `^${adam}`], { dtype: T });
    const mean = n.add(n.mul(READ('ema', name), number.emaDecay), n.mul(moved, number.emaRest));
    return n.op('AssignVariableOp', [HANDLE('ema', name), mean], { dtype: T });
  });
  g.done(FETCHES.update, done);
}
