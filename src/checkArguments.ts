/** What public functions take: said in one line where a caller without types gives something else. */
import { describeValue, isFields } from './checkOptions.js';
import { UserError } from './errors.js';
import type { AttentionStack } from './explain/types.js';
import { checkPreprocessing } from './image/checkPreprocessing.js';
import { isTensor } from './isTensor.js';
import { sizeOf } from './shape.js';
import { oneLine } from './text.js';

type Test = (value: unknown) => boolean;

const isCount: Test = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isSize: Test = (value) => isCount(value) && value !== 0;
const isObject: Test = (value) =>
  (typeof value === 'object' || typeof value === 'function') && value !== null && !Array.isArray(value);
const isText: Test = (value) => typeof value === 'string';
const isNumber: Test = (value) => typeof value === 'number' && Number.isFinite(value);
const isFunction: Test = (value) => typeof value === 'function';
const isBytes: Test = (value) => tagOf(value) === 'Uint8Array' || tagOf(value) === 'Uint8ClampedArray';
export const isFloats: Test = (value) => tagOf(value) === 'Float32Array';
const isNumbers: Test = (value) =>
  (ArrayBuffer.isView(value) && !(value instanceof DataView)) ||
  (Array.isArray(value) && value.every(isReal));
const isReal: Test = (value) => typeof value === 'number';
const isList: Test = (value) => Array.isArray(value);
const isMap: Test = (value) => tagOf(value) === 'Map';
const isPair: Test = (value) => Array.isArray(value) && value.length === 2 && value.every(isSize);
const isTriple: Test = (value) => Array.isArray(value) && value.length === 3 && value.every(isNumber);
const isStream: Test = (value) =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
const maybe =
  (test: Test): Test =>
  (value) =>
    value === undefined || test(value);

/** By tag: what comes out of another frame or thread has classes of its own. */
const tagOf = (value: unknown) => Object.prototype.toString.call(value).slice(8, -1);

/** Of a test of fields, the tests of each. */
const fieldTests = new WeakMap<Test, Readonly<Record<string, Test>>>();

function withFields(fields: Readonly<Record<string, Test>>): Test {
  const test: Test = (value) =>
    isObject(value) &&
    Object.entries(fields).every(([name, inner]) => inner((value as Record<string, unknown>)[name]));
  fieldTests.set(test, fields);
  return test;
}

const config = withFields({
  name: isText,
  imgSize: isPair,
  embedDim: isSize,
  depth: isCount,
  numHeads: isSize,
});
const source = { config: isObject, readWeight: isFunction };

const isStack: Test = (value) => {
  if (
    !withFields({ layers: isList, heads: isSize, tokens: isSize, prefixTokens: isCount, grid: isPair })(value)
  )
    return false;
  const { layers, heads, tokens, prefixTokens, grid } = value as AttentionStack;
  const length = heads * tokens * tokens;
  return (
    tokens === prefixTokens + grid[0] * grid[1] &&
    layers.length > 0 &&
    layers.every((layer) => isFloats(layer) && layer.length === length)
  );
};

const isMapOfPatches: Test = (value) =>
  withFields({ data: isFloats, rows: isSize, cols: isSize })(value) &&
  (value as { data: Float32Array }).data.length ===
    (value as { rows: number }).rows * (value as { cols: number }).cols;

const isRgb: Test = (value) => {
  if (!withFields({ data: isBytes, width: isSize, height: isSize })(value)) return false;
  const { data, width, height } = value as { data: Uint8Array; width: number; height: number };
  return data.length === 3 * width * height;
};

const isPlainTensor: Test = (value) => {
  if (isTensor(value)) return !value.isDisposed;
  if (!withFields({ data: isFloats, shape: isList })(value)) return false;
  const { data, shape } = value as { data: Float32Array; shape: unknown[] };
  return shape.every(isCount) && sizeOf(shape as number[]) === data.length;
};

const isPreprocessing = withFields({
  resize: withFields({ mode: isText }),
  crop: isPair,
  mean: isTriple,
  std: (value) => isTriple(value) && (value as number[]).every((deviation) => deviation > 0),
});

/** Each with how it is named in a message. */
const ARGUMENTS = {
  text: ['a text', isText],
  maybeText: ['a text', maybe(isText)],
  address: ['an address (text or URL)', (value) => isText(value) || value instanceof URL],
  path: ['a path', (value) => isText(value) && value !== ''],
  count: ['a whole number of at least 0', isCount],
  size: ['a whole number of at least 1', isSize],
  share: [
    'a number from 0 to 1',
    (value) => isNumber(value) && (value as number) >= 0 && (value as number) <= 1,
  ],
  positive: ['a number above 0', (value) => isNumber(value) && (value as number) > 0],
  function: ['a function', isFunction],
  object: ['an object', isObject],
  fields: ['an object of fields', isFields],
  floats: ['a Float32Array', isFloats],
  numbers: ['an array of numbers', isNumbers],
  texts: ['an array of texts', (value) => isList(value) && (value as unknown[]).every(isText)],
  rows: ['an array of Float32Arrays', (value) => isList(value) && (value as unknown[]).every(isFloats)],
  grid: ['[rows, columns] of patches', isPair],
  imageSize: ['[height, width] in pixels', isPair],
  tensor: ['a tensor', isTensor],
  plainTensor: [
    'a tensor, or {data, shape} with data a Float32Array of as many numbers as the shape says',
    isPlainTensor,
  ],
  bytes: ['a Uint8Array or an ArrayBuffer', (value) => isBytes(value) || tagOf(value) === 'ArrayBuffer'],
  workerScope: [
    'the global scope of a worker',
    withFields({ addEventListener: isFunction, postMessage: isFunction }),
  ],
  blob: ['a Blob', (value) => tagOf(value) === 'Blob' || tagOf(value) === 'File'],
  files: [
    'an array of the Files of a converted folder',
    (value) => isList(value) && Array.from(value as unknown[]).every((file) => tagOf(file) === 'File'),
  ],
  byteSource: [
    'the bytes of a checkpoint as Uint8Array, ArrayBuffer, Blob or ByteSource (openFileSource opens a path)',
    withFields({ name: isText, size: isCount, read: isFunction }),
  ],
  config: ['the configuration of a vision transformer, as resolveConfig and models have it', config],
  checkpoint: ['a checkpoint, as parseCheckpoint gives it', withFields({ name: isText, tensors: isMap })],
  conversion: ['a model’s source, as convert and openModel give it', withFields(source)],
  regnetConversion: [
    'a RegNet, as convertRegnet gives it',
    withFields({ ...source, config: withFields({ stemWidth: isSize, stages: isList }) }),
  ],
  model: [
    'a vision transformer, as load and createModel give it',
    withFields({ config, predict: isFunction, onBackend: isFunction, features: isFunction }),
  ],
  anyModel: [
    'a model, as load gives it',
    withFields({ config: withFields({ imgSize: isPair }), predict: isFunction, onBackend: isFunction }),
  ],
  wasmModel: [
    'a model of deit-tfjs/wasm',
    withFields({ config, predictPixels: isFunction, inspectPixels: isFunction }),
  ],
  layersModel: [
    'a tf.LayersModel',
    withFields({ layers: isList, apply: isFunction, save: isFunction, outputs: isList }),
  ],
  graphModel: ['a tf.GraphModel', withFields({ inputs: isList, outputs: isList, predict: isFunction })],
  sink: ['an OutputSink, as writeFolder gives it', withFields({ write: isFunction })],
  stack: ['the attention of a model, as attentionStack and inspect give it', isStack],
  patchMap: ['a map {data, rows, cols}, as attentionMap and rollout give it', isMapOfPatches],
  rgb: ['an image {data, width, height} with 3 bytes a pixel, as decodeImage gives it', isRgb],
  preprocessing: ['{resize, crop, mean, std …}, as models and preprocessingFor give it', isPreprocessing],
  namedBytes: ['a file {name, bytes} with bytes as Uint8Array', withFields({ name: isText, bytes: isBytes })],
  dataset: [
    'a data set, as mnistDataset gives it',
    withFields({ name: isText, length: isCount, classNames: isList, describe: isFunction, read: isFunction }),
  ],
  preparer: [
    'a preparer, as inThisThread gives it',
    withFields({ spec: isObject, prepare: isFunction, close: isFunction }),
  ],
  transform: ['{preprocessing} and, to train, {training}', withFields({ preprocessing: isPreprocessing })],
  evalLoader: [
    'a loader, as evalLoader and openEvalData give it',
    withFields({ length: isCount, labels: isNumbers, describe: isFunction, batches: isFunction }),
  ],
  measured: [
    'what is measured on: {length, labels, describe}, as a loader has them',
    withFields({ length: isCount, labels: isNumbers, describe: isFunction }),
  ],
  stream: ['batches that come one by one (an AsyncIterable)', isStream],
  classes: [
    '{numClasses, labels}, as a model has them',
    withFields({ numClasses: isCount, labels: maybe(isList) }),
  ],
  student: [
    'a student, as studentOf gives it',
    withFields({ weights: isMap, trainable: isList, forward: isFunction, onBackend: isFunction }),
  ],
  teacher: [
    'a teacher, as openTeacher and teacherOfModel give it',
    withFields({ name: isText, predict: isFunction }),
  ],
  taught: [
    '{imgSize, classNames, preprocessing} of the student',
    withFields({
      imgSize: isPair,
      classNames: isList,
      preprocessing: withFields({ mean: isTriple, std: isTriple }),
    }),
  ],
  studentLogits: ['{head} and, of a distilled student, {dist}: tensors', withFields({ head: isTensor })],
  distillation: [
    '{type, alpha, tau} with type none, soft or hard',
    withFields({
      type: (value) => ['none', 'soft', 'hard'].includes(value as string),
      alpha: maybe(isNumber),
      tau: maybe(isNumber),
    }),
  ],
  prediction: [
    'what predictionOf gives: {label, top5, logits, loss}',
    withFields({ label: isCount, top5: isList, loss: isReal }),
  ],
  examples: [
    '{features, labels, numClasses}',
    withFields({ features: isList, labels: isNumbers, numClasses: isCount }),
  ],
  heads: ['the weights of heads, as trainHead gives them', isMap],
  trainSetup: [
    'the setup of a training: {config, student, imgSize, data, val}',
    withFields({
      config: isObject,
      student: isObject,
      imgSize: isPair,
      data: withFields({
        name: isText,
        classNames: isList,
        describe: isFunction,
        batchesPerEpoch: isFunction,
        batches: isFunction,
      }),
      val: withFields({ length: isCount, classNames: isList, labels: isNumbers, batches: isFunction }),
    }),
  ],
} as const satisfies Record<string, readonly [expected: string, test: Test]>;

/** What an argument may be. */
export type ArgumentKind = keyof typeof ARGUMENTS;

/**
 * Checks the arguments of a public function, by their names.
 *
 * @param what the function, for the message
 * @throws UserError that names the argument, what it should be and what it is
 */
export function checkArguments(
  what: string,
  given: Readonly<Record<string, readonly [kind: ArgumentKind, value: unknown]>>,
): void {
  for (const [name, [kind, value]] of Object.entries(given)) {
    const [expected, test] = ARGUMENTS[kind];
    if (test(value)) {
      if (kind === 'preprocessing') checkPreprocessing(value, what);
      continue;
    }
    const got = `${describeArgument(value)}${wrongField(test, value)}`;
    throw new UserError(`${what}: ${name} should be ${expected}, got ${got}`);
  }
}

/** Where an object has some of the fields: the first one that is wrong. */
function wrongField(test: Test, value: unknown): string {
  const fields = Object.entries(fieldTests.get(test) ?? {});
  const given = (value ?? {}) as Record<string, unknown>;
  if (!isObject(value) || !fields.some(([name]) => given[name] !== undefined)) return '';
  const wrong = fields.find(([name, inner]) => !inner(given[name]));
  return wrong ? `, whose ${wrong[0]} is ${describeArgument(given[wrong[0]])}` : '';
}

function describeArgument(value: unknown): string {
  if (!isTensor(value)) return describeValue(value);
  return `a tensor [${oneLine(String(value.shape))}]${value.isDisposed ? ' that was disposed of' : ''}`;
}
