import { imagenetLabels } from '../configs/imagenet.js';
import { checkArguments } from '../src/checkArguments.js';
import { UserError } from '../src/errors.js';
import {
  featureWidth,
  type RegnetConfig,
  type RegnetStage,
  regnetBlocks,
} from '../src/families/regnet/config.js';
import { hasDownsample, type RegnetBlockConfig } from '../src/families/regnet/shape.js';
import type { WeightReader } from '../src/families/types.js';
import { preprocessingFor } from '../src/image/index.js';
import type { Preprocessing } from '../src/image/types.js';
import { fits, someNames } from './aroundModel.js';
import type { Assumption, Fact } from './facts.js';
import type { Checkpoint, CheckpointTensor } from './formats/types.js';
import { type RegnetNaming, regnetNamings } from './namings/regnet.js';
import { EMA, isOffTheWay, LATER, mayCompute } from './offTheWay.js';
import { toTfjsLayout } from './tensorLayout.js';

/** Epsilon of every batch norm in RegNets (torch's default; timm's, torchvision's and pycls'). */
const EPSILON = 1e-5;

/** How facebookresearch/deit prepares its teacher's images. */
const PRESET = 'deit';

/** Pixels that RegNets were trained on and are evaluated with. */
const IMG_SIZE = [224, 224] as const;

/** A RegNet's checkpoint as a model: its shape, and its weights on demand. */
export interface RegnetConversion {
  readonly family: 'regnet';
  readonly config: RegnetConfig;
  readonly labels: readonly string[] | undefined;
  /** As is told, else of the `deit` preset, with which facebookresearch/deit evaluates its teacher. */
  readonly preprocessing: Preprocessing;
  readonly assumptions: readonly Assumption[];
  readonly naming: RegnetNaming['name'];
  /** Gives a weight in tfjs' layout, batch norm folded in; throws a UserError on values that are not finite. */
  readonly readWeight: WeightReader;
}

/** What is known of a RegNet beside its tensors. */
export interface RegnetFacts {
  /** Where its architecture is named, a RegNetX or RegNetY. */
  readonly source?: string;
  readonly preprocessing?: Fact<Preprocessing>;
  /** Names of the classes. */
  readonly labels?: Fact<readonly string[]>;
}

/** Tensors of the network by their names there, the prefix taken off. */
interface Found {
  readonly file: string;
  readonly naming: RegnetNaming;
  readonly prefix: string;
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Prefixes of the other RegNets in the file. */
  readonly others: readonly string[];
  /** The large tensor that was read last, checked. */
  readonly held: { name: string; values: Float32Array };
}

/** Tensors with at most this many values are read again rather than kept. */
const SMALL = 10_000;

/** Whether a checkpoint holds a RegNet. */
export function isRegnet(checkpoint: Checkpoint): boolean {
  checkArguments('isRegnet', { checkpoint: ['checkpoint', checkpoint] });
  return locate(checkpoint) !== undefined;
}

/**
 * Maps a RegNetX or RegNetY checkpoint in timm's naming (which facebookresearch/deit's teacher file has) or torchvision's
 * to a model. The architecture is told from the shapes, all of which are checked here.
 *
 * @throws UserError if it holds no RegNet, or a tensor is missing or of another shape
 */
export function convertRegnet(checkpoint: Checkpoint, facts: RegnetFacts = {}): RegnetConversion {
  checkArguments('convertRegnet', { checkpoint: ['checkpoint', checkpoint] });
  const found = locate(checkpoint);
  if (!found) {
    const stems = regnetNamings.map(({ stem }) => `${stem[0]}.weight`).join(' or ');
    throw new UserError(`${checkpoint.name}: no RegNet in it: expected ${stems}`);
  }
  refuseEquals(found);
  const preprocessing = facts.preprocessing?.value ?? preprocessingFor(PRESET, IMG_SIZE);
  const config = { ...inferConfig(found), imgSize: preprocessing.crop };
  refuseUnknown(found, checkShapes(found, config));
  const beside = tensorsBeside(checkpoint, found);
  refuseFitting(found, beside, config);
  const labels = labelsOf(config, facts);
  return {
    family: 'regnet',
    config,
    labels: labels.value,
    preprocessing,
    assumptions: [...choice(found), ...aroundIt(beside), ...assumed(found, facts), ...labels.assumptions],
    naming: found.naming.name,
    readWeight: weightReader(found, config),
  };
}

/** What no tensor tells of a RegNet. */
function assumed({ naming }: Found, { source, preprocessing }: RegnetFacts): Assumption[] {
  const preset: Assumption = {
    field: 'preprocessing',
    value: `preset ${PRESET}`,
    why: `the file does not tell; facebookresearch/deit evaluates its teacher so, ${naming.name}'s own models may have another crop and filter; --preset says otherwise`,
  };
  const activation: Assumption = {
    field: 'activation',
    value: 'relu',
    why: 'as RegNetX and RegNetY have it; one that was made with another (timm’s act_layer) has the same tensors and is not computed here',
  };
  return [...(preprocessing ? [] : [preset]), ...(source ? [] : [activation])];
}

/** Names of the classes, and whether they are a guess. */
function labelsOf(
  { numClasses }: RegnetConfig,
  { labels }: RegnetFacts,
): { value: readonly string[] | undefined; assumptions: Assumption[] } {
  if (labels?.value.length === numClasses) return { value: labels.value, assumptions: [] };
  if (labels) {
    const why = `${labels.source} names ${labels.value.length} classes, the model has ${numClasses}: the names are left out`;
    return { value: undefined, assumptions: [{ field: 'labels', value: 'none', why }] };
  }
  if (numClasses !== 1000) return { value: undefined, assumptions: [] };
  const why = 'the model has 1000 classes, as ImageNet-1k has; its file names none';
  return { value: imagenetLabels, assumptions: [{ field: 'labels', value: "ImageNet-1k's", why }] };
}

/** The RegNet of a file; of several one that is no average of another's weights. */
function locate(checkpoint: Checkpoint): Found | undefined {
  const [first, ...others] = places(checkpoint).sort((a, b) => rank(a.prefix) - rank(b.prefix));
  if (!first) return undefined;
  const { naming, prefix } = first;
  const inner = others.map((other) => other.prefix).filter((other) => other.startsWith(prefix));
  const own = [...checkpoint.tensors].filter(
    ([key]) => key.startsWith(prefix) && !inner.some((other) => key.startsWith(other)),
  );
  return {
    file: checkpoint.name,
    naming,
    prefix,
    tensors: new Map(own.map(([key, t]) => [key.slice(prefix.length), t])),
    others: others.map((other) => other.prefix),
    held: { name: '', values: new Float32Array() },
  };
}

const rank = (prefix: string) => (EMA.test(prefix) || LATER.test(prefix) ? 1 : 0);

/** More RegNets are in no file that a person made. */
const MAX_REGNETS = 64;

function places({ tensors }: Checkpoint): { naming: RegnetNaming; prefix: string }[] {
  const found: { naming: RegnetNaming; prefix: string }[] = [];
  for (const naming of regnetNamings) {
    const stem = `${naming.stem[0]}.weight`;
    const first = `${naming.block(1, 1)}.${naming.conv1[0]}.weight`;
    for (const name of tensors.keys()) {
      if (name !== stem && !name.endsWith(`.${stem}`)) continue;
      const prefix = name.slice(0, -stem.length);
      if (tensors.has(prefix + first)) found.push({ naming, prefix });
      if (found.length === MAX_REGNETS) return found;
    }
  }
  return found;
}

function refuseEquals({ file, prefix, others }: Found): void {
  const equals = others.filter((other) => rank(other) === rank(prefix));
  if (equals.length === 0) return;
  const roots = [prefix, ...equals.slice(0, 5)].map((root) => JSON.stringify(root)).join(', ');
  throw new UserError(
    `${file}: ${equals.length + 1} RegNets in it, and nothing tells which is meant: ${roots}; save the one alone`,
  );
}

/** Which of several was taken. */
function choice({ prefix, others }: Found): Assumption[] {
  if (others.length === 0) return [];
  const why = `the weights themselves, not an average of them; there is also ${others.map((root) => JSON.stringify(root)).join(', ')}`;
  return [{ field: 'root', value: JSON.stringify(prefix), why }];
}

/** What stands among the network's tensors and is none of them: it would be left out. */
function refuseUnknown({ file, naming, prefix, tensors }: Found, known: ReadonlySet<string>): void {
  const unknown = [...tensors].filter(
    ([name, one]) => !known.has(name) && mayCompute(one) && !(prefix === '' && isOffTheWay(name, 'beside')),
  );
  if (unknown.length === 0) return;
  throw new UserError(
    `${file}: ${unknown.length} tensor(s) belong to no part of a RegNetX or RegNetY (${naming.name} naming): ` +
      `${someNames(unknown.map(([, one]) => one))}; this model is of another kind`,
  );
}

/** What lies around the network and is neither training's nor another one's. */
function tensorsBeside({ tensors }: Checkpoint, { prefix, others }: Found): CheckpointTensor[] {
  const outer = others.filter((other) => !prefix.startsWith(other));
  const isOwn = (name: string) => [prefix, ...outer].some((root) => name.startsWith(root));
  return [...tensors.values()].filter(
    (one) => !isOwn(one.name) && mayCompute(one) && !isOffTheWay(one.name, 'beside'),
  );
}

function refuseFitting(
  { file, prefix }: Found,
  beside: readonly CheckpointTensor[],
  config: RegnetConfig,
): void {
  const around = { inChans: 3, outputs: new Set([config.numClasses, featureWidth(config)]) };
  const fitting = beside.filter(({ shape }) => fits(shape, around));
  if (fitting.length === 0) return;
  throw new UserError(
    `${file}: beside the RegNet ${JSON.stringify(prefix)} lie ${someNames(fitting)}, which fit its outputs or its input: ` +
      'it may be a part of another model; save the RegNet alone',
  );
}

function aroundIt(beside: readonly CheckpointTensor[]): Assumption[] {
  if (beside.length === 0) return [];
  const why = `${someNames(beside)} beside the RegNet are not read: it may be a part of another model`;
  return [{ field: 'beside', value: 'left out', why }];
}

function tensor(found: Found, name: string): CheckpointTensor {
  const tensor = found.tensors.get(name);
  if (tensor) return tensor;
  throw new UserError(
    `${found.file}: the tensor ${found.prefix}${name} is missing (a RegNet in ${found.naming.name} naming)`,
  );
}

/** [out, in] of a linear layer's or a convolution's kernel. */
function matrixShape(found: Found, name: string): readonly [number, number] {
  const { shape } = tensor(found, name);
  const [rows = 0, columns = 0] = shape;
  if (rows > 0 && columns > 0) return [rows, columns];
  throw new UserError(
    `${found.file}: ${found.prefix}${name} should be a kernel [out, in, …], has shape [${shape.join(', ')}]`,
  );
}

function inferConfig(found: Found): RegnetConfig {
  const { naming } = found;
  const shape = (name: string) => matrixShape(found, `${name}.weight`);
  const [stemWidth] = shape(naming.stem[0]);
  const stages: RegnetStage[] = [];
  const has = (stage: number, block: number) =>
    found.tensors.has(`${naming.block(stage, block)}.${naming.conv1[0]}.weight`);
  for (let stage = 1; has(stage, 1); stage++) {
    let depth = 1;
    while (has(stage, depth + 1)) depth++;
    const [width, groupWidth] = shape(`${naming.block(stage, 1)}.${naming.conv2[0]}`);
    const squeeze = (block: number) => shape(`${naming.block(stage, block)}.${naming.squeeze}`)[0];
    const squeezes = found.tensors.has(`${naming.block(stage, 1)}.${naming.squeeze}.weight`);
    stages.push({
      depth,
      width,
      groupWidth,
      squeeze: squeezes ? [squeeze(1), squeeze(Math.min(2, depth))] : null,
    });
  }
  const config = { imgSize: IMG_SIZE, numClasses: shape(naming.head)[0], stemWidth, stages };
  return { name: nameOf(config), ...config };
}

/** DeiT's teacher, by its blocks and widths; any other RegNet is named by its letter and them. */
function nameOf({ stages }: Omit<RegnetConfig, 'name'>): string {
  const kind = stages.every(({ squeeze }) => squeeze) ? 'regnety' : 'regnetx';
  const said = stages.map(({ depth, width }) => `${depth}x${width}`).join('_');
  return kind === 'regnety' && said === '2x224_4x448_11x1232_1x3024' ? 'regnety_160' : `${kind}_${said}`;
}

/** A convolution with its batch norm: their names, and PyTorch's shape of the kernel. */
interface Convolution {
  readonly conv: string;
  readonly norm: string;
  readonly shape: KernelShape;
}

type KernelShape = readonly [out: number, in_: number, height: number, width: number];

/** A block's stage and its place there, from 1: those of `s3.b10` are 3 and 10. */
function placeOf({ name }: RegnetBlockConfig): [stage: number, block: number] {
  return name.match(/\d+/g)!.map(Number) as [number, number];
}

/** Where the parts of a block are. */
function convolutionsOf({ naming }: Found, block: RegnetBlockConfig): Record<string, Convolution> {
  const prefix = naming.block(...placeOf(block));
  const { inputWidth, width, groupWidth } = block;
  const at = ([conv, norm]: readonly [string, string], shape: KernelShape): Convolution => ({
    conv: `${prefix}.${conv}`,
    norm: `${prefix}.${norm}`,
    shape,
  });
  return {
    conv1: at(naming.conv1, [width, inputWidth, 1, 1]),
    conv2: at(naming.conv2, [width, groupWidth, 3, 3]),
    conv3: at(naming.conv3, [width, width, 1, 1]),
    ...(hasDownsample(block) ? { downsample: at(naming.downsample, [width, inputWidth, 1, 1]) } : {}),
  };
}

/** Squeeze-and-excitation's two layers: their names, and PyTorch's shape of the kernel. */
function squeezesOf({ naming }: Found, block: RegnetBlockConfig): Record<string, Convolution> {
  const { width, squeeze } = block;
  if (squeeze === null) return {};
  const prefix = naming.block(...placeOf(block));
  const at = (layer: string, shape: KernelShape) => ({ conv: `${prefix}.${layer}`, norm: '', shape });
  return {
    'se.fc1': at(naming.squeeze, [squeeze, width, 1, 1]),
    'se.fc2': at(naming.excite, [width, squeeze, 1, 1]),
  };
}

/** The names of the network's tensors, all of which are there in their shapes. */
function checkShapes(found: Found, config: RegnetConfig): ReadonlySet<string> {
  const known = new Set<string>();
  const expect = (name: string, want: readonly number[]) => {
    known.add(name);
    const have = tensor(found, name).shape;
    if (String(want) === String(have)) return;
    throw new UserError(
      `${found.file}: ${found.prefix}${name} should have shape [${want.join(', ')}], has [${have.join(', ')}]`,
    );
  };
  const withNorm = ({ conv, norm, shape }: Convolution) => {
    expect(`${conv}.weight`, shape);
    for (const part of ['weight', 'bias', 'running_mean', 'running_var'])
      expect(`${norm}.${part}`, [shape[0]]);
    known.add(`${norm}.num_batches_tracked`);
  };
  withNorm(stemOf(found, config));
  for (const block of regnetBlocks(config)) {
    if (block.width % block.groupWidth !== 0) {
      throw new UserError(
        `${found.file}: ${block.name} has ${block.width} channels in groups of ${block.groupWidth}`,
      );
    }
    for (const part of Object.values(convolutionsOf(found, block))) withNorm(part);
    for (const { conv, shape } of Object.values(squeezesOf(found, block))) {
      expect(`${conv}.weight`, shape);
      expect(`${conv}.bias`, [shape[0]]);
    }
  }
  expect(`${found.naming.head}.weight`, [config.numClasses, featureWidth(config)]);
  expect(`${found.naming.head}.bias`, [config.numClasses]);
  return known;
}

function stemOf({ naming }: Found, { stemWidth }: RegnetConfig): Convolution {
  return { conv: naming.stem[0], norm: naming.stem[1], shape: [stemWidth, 3, 3, 3] };
}

function weightReader(found: Found, config: RegnetConfig): WeightReader {
  const blocks = new Map(regnetBlocks(config).map((block) => [block.name, block]));
  return async (name) => {
    const [, place = '', part = '', kind = '', group = ''] =
      /^(?:(s\d+\.b\d+)\.)?(.+)\.(kernel|bias)(\d*)$/.exec(name) ?? [];
    if (place === '' && part === 'stem') return folded(found, stemOf(found, config), kind);
    if (place === '' && part === 'head') return plain(found, found.naming.head, kind);
    const block = blocks.get(place);
    const squeeze = block && squeezesOf(found, block)[part];
    if (squeeze) return plain(found, squeeze.conv, kind);
    const convolution = block && convolutionsOf(found, block)[part];
    if (!convolution) throw new UserError(`${config.name} has no weight named ${name}`);
    const groupRows =
      group === '' ? undefined : { from: Number(group) * block.groupWidth, count: block.groupWidth };
    return folded(found, convolution, kind, groupRows);
  };
}

/** A layer without batch norm. A convolution of 1 × 1 is a matrix. */
async function plain(found: Found, layer: string, kind: string): Promise<Float32Array> {
  if (kind === 'bias') return values(found, `${layer}.bias`);
  const kernel = await values(found, `${layer}.weight`);
  return toTfjsLayout(kernel, tensor(found, `${layer}.weight`).shape.slice(0, 2));
}

/**
 * A convolution with its batch norm folded in: norm(x · k) = x · (k · s) + (shift − mean · s), s = scale / √(variance + ε),
 * in double precision.
 *
 * @param rows of the output channels; all of them by default
 */
async function folded(
  found: Found,
  { conv, norm, shape }: Convolution,
  kind: string,
  rows = { from: 0, count: shape[0] },
): Promise<Float32Array> {
  const [gamma, variance] = [
    await values(found, `${norm}.weight`),
    await values(found, `${norm}.running_var`),
  ];
  const scale = Float64Array.from(gamma, (value, i) => value / Math.sqrt(variance[i]! + EPSILON));
  if (kind === 'bias') {
    const [beta, mean] = [await values(found, `${norm}.bias`), await values(found, `${norm}.running_mean`)];
    return beta.map((value, i) => value - mean[i]! * scale[i]!);
  }
  const kernel = await values(found, `${conv}.weight`);
  const [out, ...inside] = shape;
  const length = kernel.length / out;
  const part = kernel.slice(rows.from * length, (rows.from + rows.count) * length);
  for (let i = 0; i < part.length; i++) part[i]! *= scale[rows.from + Math.floor(i / length)]!;
  return toTfjsLayout(part, shape[2] === 1 ? [rows.count, shape[1]] : [rows.count, ...inside]);
}

async function values(found: Found, name: string): Promise<Float32Array> {
  // The groups of a convolution are read one after another from one tensor.
  if (found.held.name === name) return found.held.values;
  const read = await tensor(found, name).read();
  let bad = 0;
  for (let i = 0; i < read.length; i++) if (!Number.isFinite(read[i])) bad++;
  if (bad > 0) {
    throw new UserError(
      `${found.file}: ${found.prefix}${name} has ${bad} of ${read.length} values that are NaN or infinite`,
    );
  }
  if (name.endsWith('.weight') && read.length > SMALL) Object.assign(found.held, { name, values: read });
  return read;
}
