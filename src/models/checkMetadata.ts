/** Checks what a model.json says before anything is built or read by it: it may come from anywhere. */
import { describeValue } from '../checkOptions.js';
import { UserError } from '../errors.js';
import type { ModelMetadata } from '../families/metadata.js';
import { checkConfig, type VitConfig, vitFields } from '../families/vit/config.js';
import { savedWeightName, weightSpecs } from '../families/vit/weights.js';
import type { Interpolation, Preprocessing } from '../image/types.js';
import { sizeOf } from '../shape.js';
import { oneLine } from '../text.js';

/** A model.json whose fields have been checked. */
export interface ModelJson {
  readonly metadata: ModelMetadata;
  readonly groups: readonly WeightGroup[];
}

/** Weights that lie one after another in some files. */
export interface WeightGroup {
  readonly paths: readonly string[];
  readonly weights: readonly StoredSpec[];
}

/** A weight as the manifest has it. */
export interface StoredSpec {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32';
  readonly quantization?:
    | { readonly dtype: 'float16' }
    | { readonly dtype: 'uint8' | 'uint16'; readonly scale: number; readonly min: number };
}

/** Longest side of an input, in pixels. */
const MAX_SIDE = 2 ** 16;
/** Most blocks: the deepest published models have some 60. */
const MAX_DEPTH = 1000;
/** Longest text that a message or a table shows: a name, a label. */
const MAX_TEXT = 1000;

type Fields = Record<string, unknown>;

/**
 * Checks the fields of a model.json: the architecture, how images become its input, the labels, and that the manifest
 * lists exactly the weights that the architecture has, with their shapes.
 *
 * @param json as JSON.parse gives it
 * @param name of the folder, for messages
 * @throws UserError of one line that names the first field that is wrong, what was expected and what was found
 */
export function checkModelJson(json: unknown, name: string): ModelJson {
  const fail: Fail = (what) => {
    throw new UserError(`${name}: model.json: ${what}`);
  };
  const { userDefinedMetadata, weightsManifest } = isObject(json) ? json : fail('is no object');
  const metadata = isObject(userDefinedMetadata) ? userDefinedMetadata.deit : undefined;
  if (!isObject(metadata) || !metadata.architecture || !metadata.preprocessing) {
    throw new UserError(
      `${name}: model.json has no userDefinedMetadata.deit, so it was not written by deit-convert`,
    );
  }
  const groups = checkManifest(weightsManifest ?? [], fail);
  const listed = groups.reduce((sum, { weights }) => sum + weights.length, 0);
  const architecture = checkArchitecture(metadata.architecture, listed, fail);
  checkPreprocessing(metadata.preprocessing, architecture, fail);
  checkLabels(metadata.labels, architecture, fail);
  checkWeights(architecture, groups, name);
  return { metadata: metadata as unknown as ModelMetadata, groups };
}

type Fail = (what: string) => never;

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function expect(ok: boolean, field: string, expected: string, value: unknown, fail: Fail): void {
  if (!ok) fail(`${field} must be ${expected}, got ${describeValue(value)}`);
}

const isWhole = (value: unknown, least: number, most = Number.MAX_SAFE_INTEGER) =>
  Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most;
const isText = (value: unknown) => typeof value === 'string' && value.length <= MAX_TEXT;
/** A text that stands in messages and tables as it is. */
const isName = (value: unknown) => isText(value) && oneLine(value as string) === value;
const isNumber = (value: unknown) => Number.isFinite(value);

function isList(value: unknown, length: number, each: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.length === length && value.every(each);
}

function checkArchitecture(value: unknown, listed: number, fail: Fail): VitConfig {
  if (!isObject(value)) return fail(`architecture must be an object, got ${describeValue(value)}`);
  const field = (name: string, ok: boolean, expected: string) =>
    expect(ok, `architecture.${name}`, expected, value[name], fail);
  field('name', isName(value.name), 'a text of one line');
  field(
    'imgSize',
    isList(value.imgSize, 2, (side) => isWhole(side, 1, MAX_SIDE)),
    `[height, width] of 1…${MAX_SIDE}`,
  );
  field('depth', isWhole(value.depth, 1, MAX_DEPTH), `a whole number of 1…${MAX_DEPTH}`);
  for (const name of ['inChans', 'embedDim', 'numHeads']) {
    field(name, isWhole(value[name], 1), 'a whole number of at least 1');
  }
  field('numClasses', isWhole(value.numClasses, 0), 'a whole number of at least 0');
  field('mlpRatio', isNumber(value.mlpRatio) && (value.mlpRatio as number) > 0, 'a number above 0');
  field('dropPathRate', isNumber(value.dropPathRate), 'a number');
  const epsilon = value.layerNormEps;
  field('layerNormEps', isNumber(epsilon) && (epsilon as number) > 0, 'a number above 0');
  field('layerScale', value.layerScale === null || isNumber(value.layerScale), 'null or a number');
  for (const name of ['qkvBias', 'distilled', 'posEmbedPrefix']) {
    field(name, typeof value[name] === 'boolean', 'true or false');
  }
  checkFields('architecture', value, vitFields(), fail);
  const config = value as unknown as VitConfig;
  checkConfig(config);
  // A block has weights: what is built, and how long that takes, is bounded by what the manifest lists.
  if (config.depth * (config.parallel ?? 1) > listed) {
    fail(`architecture.depth is ${config.depth}, but the manifest lists only ${listed} weights`);
  }
  return config;
}

/** A field of a later release may change what is computed: it is not passed over. */
function checkFields(what: string, value: Fields, known: readonly string[], fail: Fail): void {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  fail(
    `${what} has the field "${oneLine(unknown.slice(0, 60))}", which this release does not know; update it`,
  );
}

/** A table, so that a field that is added is added here too. */
const PREPROCESSING_FIELDS: Record<keyof Preprocessing, true> = {
  preset: true,
  resize: true,
  interpolation: true,
  crop: true,
  cropRounding: true,
  fill: true,
  rescaleFactor: true,
  mean: true,
  std: true,
};
const INTERPOLATIONS: Record<Interpolation, true> = {
  nearest: true,
  box: true,
  bilinear: true,
  hamming: true,
  bicubic: true,
  lanczos: true,
};

function checkPreprocessing(value: unknown, { imgSize }: VitConfig, fail: Fail): void {
  if (!isObject(value)) fail(`preprocessing must be an object, got ${describeValue(value)}`);
  const fields = value as Fields;
  const field = (name: string, ok: boolean, expected: string) =>
    expect(ok, `preprocessing.${name}`, expected, fields[name], fail);
  const side = (size: unknown) => isWhole(size, 1, MAX_SIDE);
  field('preset', isName(fields.preset), 'a text of one line');
  field('mean', isList(fields.mean, 3, isNumber), 'three numbers');
  field(
    'std',
    isList(fields.std, 3, (std) => isNumber(std) && (std as number) > 0),
    'three numbers above 0',
  );
  field('crop', isList(fields.crop, 2, side), '[height, width] in pixels');
  const crop = fields.crop as number[];
  if (crop[0] !== imgSize[0] || crop[1] !== imgSize[1]) {
    fail(`preprocessing.crop is ${crop.join('×')}, the model’s input is ${imgSize.join('×')}`);
  }
  const resize: Fields = isObject(fields.resize) ? fields.resize : {};
  const { mode, size, longest, height, width } = resize;
  const known =
    (mode === 'short' && side(size) && (longest === undefined || side(longest))) ||
    (['squash', 'cover', 'fit'].includes(mode as string) && side(height) && side(width)) ||
    mode === 'none';
  const modes = "{mode: 'short', size}, {mode: 'squash', 'cover' or 'fit', height, width} or {mode: 'none'}";
  field('resize', known, `${modes}, of 1…${MAX_SIDE} pixels`);
  const optional = (name: string, ok: (value: unknown) => boolean, expected: string) =>
    field(name, fields[name] === undefined || ok(fields[name]), expected);
  const filters = Object.keys(INTERPOLATIONS);
  optional('interpolation', (value) => filters.includes(value as string), `one of ${filters.join(', ')}`);
  optional('cropRounding', (value) => value === 'even' || value === 'down', 'even or down');
  optional('fill', (value) => isList(value, 3, (level) => isWhole(level, 0, 255)), 'three levels of 0…255');
  optional('rescaleFactor', (value) => isNumber(value) && (value as number) > 0, 'a number above 0');
  checkFields('preprocessing', fields, Object.keys(PREPROCESSING_FIELDS), fail);
}

function checkLabels(value: unknown, { numClasses }: VitConfig, fail: Fail): void {
  if (value === undefined || value === null) return;
  if (!Array.isArray(value)) fail(`labels must be a list of texts, got ${describeValue(value)}`);
  const labels = value as unknown[];
  const other = labels.findIndex((label) => !isText(label));
  if (other >= 0) fail(`labels[${other}] must be a text, got ${describeValue(labels[other])}`);
  if (labels.length !== numClasses) {
    fail(`it has ${labels.length} labels, the model has ${numClasses} classes`);
  }
}

function checkManifest(value: unknown, fail: Fail): WeightGroup[] {
  if (!Array.isArray(value)) return fail(`weightsManifest must be a list, got ${describeValue(value)}`);
  return value.map((group: unknown, i) => {
    const at = `weightsManifest[${i}]`;
    if (!isObject(group) || !Array.isArray(group.paths) || !Array.isArray(group.weights)) {
      return fail(`${at} must be {paths, weights}, got ${describeValue(group)}`);
    }
    for (const path of group.paths as unknown[]) checkPath(path, at, fail);
    if (new Set(group.paths).size < group.paths.length) fail(`${at}.paths names a file twice`);
    for (const [k, weight] of (group.weights as unknown[]).entries()) {
      checkStoredSpec(weight, `${at}.weights[${k}]`, fail);
    }
    return group as unknown as WeightGroup;
  });
}

/** A shard lies in the model's folder: no other folder's or server's file is read for it. */
function checkPath(path: unknown, at: string, fail: Fail): void {
  const part = (name: string) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /^[^\\/:%?#\x00-\x1f]{1,255}$/.test(name) && name !== '.' && name !== '..';
  if (typeof path === 'string' && path.length <= MAX_TEXT && path.split('/').every(part)) return;
  fail(`${at}.paths must be names of files in its folder, got ${describeValue(path)}`);
}

function checkStoredSpec(value: unknown, at: string, fail: Fail): void {
  if (!isObject(value)) fail(`${at} must be {name, shape, dtype}, got ${describeValue(value)}`);
  const spec = value as Fields;
  expect(isName(spec.name), `${at}.name`, 'a text of one line', spec.name, fail);
  const sides = Array.isArray(spec.shape) && spec.shape.length <= 8 && spec.shape.every((n) => isWhole(n, 0));
  expect(sides, `shape of ${spec.name}`, 'a list of whole numbers', spec.shape, fail);
  const size = 4 * sizeOf(spec.shape as number[]);
  expect(Number.isSafeInteger(size), `shape of ${spec.name}`, 'that of a tensor in memory', spec.shape, fail);
  expect(spec.dtype === 'float32', `dtype of ${spec.name}`, 'float32', spec.dtype, fail);
  if (spec.quantization === undefined) return;
  const { dtype, scale, min } = isObject(spec.quantization) ? spec.quantization : ({} as Fields);
  const known =
    dtype === 'float16' || ((dtype === 'uint8' || dtype === 'uint16') && isNumber(scale) && isNumber(min));
  const expected = '{dtype: float16}, or {dtype: uint8 or uint16, scale, min}';
  expect(known, `quantization of ${spec.name}`, expected, spec.quantization, fail);
}

/** The manifest lists each weight of the architecture once, in its shape, and no other. */
function checkWeights(config: VitConfig, groups: readonly WeightGroup[], name: string): void {
  const left = new Map<string, StoredSpec>();
  for (const spec of groups.flatMap(({ weights }) => weights)) {
    if (left.has(spec.name)) {
      throw new UserError(`${name}: model.json lists ${spec.name} twice; convert the checkpoint again`);
    }
    left.set(spec.name, spec);
  }
  for (const { name: weight, shape } of weightSpecs(config)) {
    const found = left.get(savedWeightName(weight));
    if (!found) {
      throw new UserError(`${name}: model.json lists no weight ${weight}; convert the checkpoint again`);
    }
    if (String(found.shape) !== String(shape)) {
      throw new UserError(
        `${name}: ${weight} should have shape [${shape}], model.json says [${found.shape}]; convert the checkpoint again`,
      );
    }
    left.delete(savedWeightName(weight));
  }
  const [extra] = left.keys();
  if (extra === undefined) return;
  throw new UserError(
    `${name}: model.json lists ${extra}, which its architecture does not have${
      left.size > 1 ? `, and ${left.size - 1} more` : ''
    }; convert the checkpoint again`,
  );
}
