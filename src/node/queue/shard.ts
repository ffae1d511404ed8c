import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { UserError } from '../../errors.js';
import type { PredictedBatch } from '../../evaluate/index.js';
import type { Preprocessing } from '../../image/types.js';
import { oneLine, shorten, show } from '../../text.js';
import { fileContents } from './fileContents.js';

/**
 * What goes through the queue. Whoever can write to Redis can write anything there, so both sides check what they
 * take out of it before they act on it.
 */

/** Some images to be classified: the payload of a job. */
export interface Shard {
  readonly version: typeof SHARD_VERSION;
  /** Id of the evaluation: its shards are dropped once it is gone. */
  readonly run: string;
  /** modelFingerprint of the model that is evaluated. */
  readonly model: string;
  readonly preprocessing: Preprocessing;
  /** Images to a batch: it decides the last bits of the logits, so every worker takes the same. */
  readonly batchSize: number;
  /** Whether a distilled model gives both heads' logits too. */
  readonly heads: boolean;
  /** Paths below the data folder, with forward slashes. */
  readonly files: readonly string[];
  /** What each file holds where the evaluation runs (see fileContents); null where it cannot be read there. */
  readonly contents: readonly (string | null)[];
}

/** A worker's answer: the value that a job returns. */
export interface ShardResult {
  readonly version: typeof SHARD_VERSION;
  /** Who computed it, for messages. */
  readonly worker: string;
  /** The tfjs backend that computed it. */
  readonly backend: string;
  /** Places in `files` of the images that were read. */
  readonly indices: readonly number[];
  /** float32 [indices.length, classes], little-endian, as base64. */
  readonly logits: string;
  /** The same of each head, where the shard asks for them and the model has two; otherwise none. */
  readonly heads: readonly string[];
  readonly failures: PredictedBatch['failures'];
}

export const SHARD_VERSION = 3;

/**
 * Most images of a shard, and so of a batch: bounds a job's payload and answer, and the memory that a job takes from a
 * worker, whose WASM memory never shrinks.
 */
export const MAX_SHARD = 64;
/** The heads of a distilled model. */
const MAX_HEADS = 2;
/** Longest side of a model's input, in pixels, that a worker prepares. */
const MAX_CROP = 4096;
/** Longest side that an image is scaled to before it is cropped, as a multiple of the crop's: presets take up to 1.15. */
const MAX_RESIZE = 4;
/** Least deviation of a channel: presets have 0.2 and more, and 0 gives values that are not finite. */
const MIN_STD = 1e-6;
/** Longest name of a preset, in characters. */
const MAX_NAME = 100;
/** Longest path, in characters: what file systems allow. */
const MAX_PATH = 4096;

/** Checks a payload. Throws a UserError that says what is wrong with it. */
export function requireShard(value: unknown): Shard {
  const shard = (value ?? {}) as Partial<Shard>;
  const wrong = (what: string) => new UserError(`a job that is no shard of images: ${what}`);
  if (shard.version !== SHARD_VERSION)
    throw wrong(`version ${show(shard.version)}, expected ${SHARD_VERSION}`);
  if (typeof shard.model !== 'string') throw wrong('no model');
  if (typeof shard.run !== 'string' || !/^[\w-]{1,64}$/.test(shard.run))
    throw wrong('no id of its evaluation');
  const { files, batchSize, contents } = shard;
  if (!Array.isArray(files) || !within(files.length, MAX_SHARD))
    throw wrong(`expected 1 to ${MAX_SHARD} files`);
  if (!within(batchSize, MAX_SHARD)) throw wrong(`batch size ${show(batchSize)}`);
  if (!Array.isArray(contents) || contents.length !== files.length || !contents.every(isContents))
    throw wrong('not the contents of each file');
  if (typeof shard.heads !== 'boolean') throw wrong('heads is neither true nor false');
  for (const file of files) requireRelative(file);
  if (!isPreprocessing(shard.preprocessing)) throw wrong('no usable preprocessing');
  return shard as Shard;
}

/** Whether a value is a whole number from 1 to `most`. */
function within(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most;
}

/** Whether a value is a preprocessing whose sizes are those of images, and whose numbers are finite. */
function isPreprocessing(value: unknown): value is Preprocessing {
  const { preset, resize, crop, mean, std, ...rest } = (value ?? {}) as Record<string, unknown>;
  if (typeof preset !== 'string' || preset.length > MAX_NAME || oneLine(preset) !== preset) return false;
  if (!isTriple(mean) || !isTriple(std) || !std.every((deviation) => deviation >= MIN_STD)) return false;
  if (!Array.isArray(crop) || crop.length !== 2 || !crop.every((side) => within(side, MAX_CROP)))
    return false;
  return isResize(resize, MAX_RESIZE * Math.max(...crop)) && Object.values(rest).every(isSetting);
}

function isResize(value: unknown, most: number): boolean {
  const { mode, ...sizes } = (value ?? {}) as Record<string, unknown>;
  const needed: unknown = typeof mode === 'string' && Object.hasOwn(RESIZE_SIZES, mode) && RESIZE_SIZES[mode];
  return (
    Array.isArray(needed) &&
    needed.every((name) => name in sizes) &&
    Object.values(sizes).every((side) => within(side, most))
  );
}

/** The sizes that a resize by each mode has. */
const RESIZE_SIZES: Readonly<Record<string, readonly string[]>> = {
  short: ['size'],
  squash: ['height', 'width'],
  cover: ['height', 'width'],
  fit: ['height', 'width'],
  none: [],
};

/** Whether a value is one of the further settings of a preprocessing: a name, a number or three of them. */
function isSetting(value: unknown): boolean {
  if (typeof value === 'string') return /^[\w-]{1,40}$/.test(value);
  return isTriple(value) || Number.isFinite(value);
}

function isTriple(value: unknown): value is [number, number, number] {
  return Array.isArray(value) && value.length === 3 && value.every(Number.isFinite);
}

function isContents(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && /^\d{1,16}-[0-9a-f]{64}$/.test(value));
}

/** Throws a UserError for a path that is not a plain relative one. */
function requireRelative(file: unknown): void {
  const plain =
    typeof file === 'string' &&
    file.length > 0 &&
    file.length <= MAX_PATH &&
    !/[\0\\]/.test(file) &&
    !isAbsolute(file) &&
    file.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (!plain) throw new UserError(`a job names ${show(file)}, which is no path below the data folder`);
}

/**
 * Where the files of a shard lie in a worker's data folder. Symbolic links are followed, but not out of it.
 *
 * @param root the real path of the data folder
 * @param contents what each file should hold (see fileContents)
 * @throws UserError for a file that is not there, lies outside or holds something else
 */
export async function locateFiles(
  root: string,
  files: readonly string[],
  contents: readonly (string | null)[],
): Promise<string[]> {
  return Promise.all(
    files.map(async (file, i) => {
      const path = join(root, file);
      // A file that cannot be read where the evaluation runs is one that failed there; here it must not be another.
      if (contents[i] === null && (await fileContents(path)) === null) return resolve(path);
      const real = await realpath(path).catch((error: NodeJS.ErrnoException) => {
        throw new UserError(`${path}: not in this worker's data folder (${error.code})`);
      });
      const below = relative(root, real);
      if (below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below)) {
        throw new UserError(`${path}: leads out of this worker's data folder, so it is not read`);
      }
      await requireContents(path, contents[i]!);
      return resolve(path);
    }),
  );
}

async function requireContents(path: string, expected: string | null): Promise<void> {
  const found = await fileContents(path);
  if (found === expected) return;
  const size = (contents: string | null) =>
    contents === null ? 'no file' : `${contents.split('-')[0]} bytes`;
  const how =
    size(found) === size(expected)
      ? 'as many bytes, but others'
      : `${size(found)}, where the evaluation runs ${size(expected)}`;
  throw new UserError(
    `${path}: is not the file of the evaluation (${how}); give this worker the same val folder by --data`,
  );
}

/** A worker's batches as an answer. The batches follow one another; their indices are places in the shard. */
export function encodeResult(
  batches: readonly PredictedBatch[],
  backend: string,
  worker: string,
): ShardResult {
  // A batch of which no image could be read has no heads either.
  const read = batches.filter(({ indices }) => indices.length > 0);
  const headCount = read[0]?.heads?.length ?? 0;
  return {
    version: SHARD_VERSION,
    worker,
    backend,
    indices: batches.flatMap(({ indices }) => Array.from(indices)),
    logits: toBase64(batches.map(({ logits }) => logits)),
    heads: Array.from({ length: headCount }, (_, head) => toBase64(read.map(({ heads }) => heads![head]!))),
    failures: batches.flatMap(({ failures }) => failures),
  };
}

function toBase64(parts: readonly Float32Array[]): string {
  return Buffer.concat(
    parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)),
  ).toString('base64');
}

/** Longest message of a worker that is repeated, in characters. */
const MAX_MESSAGE = 1000;

/**
 * An answer as one batch. Throws a UserError unless every file of the shard is there exactly once, with finite logits or a
 * failure.
 *
 * @param expected the shard's files, and the index of each in the data set
 */
export function decodeResult(
  value: unknown,
  expected: {
    readonly indices: ArrayLike<number>;
    readonly files: readonly string[];
    readonly classes: number;
  },
): PredictedBatch & { backend: string } {
  const { version, backend, indices, logits, heads, failures } = (value ?? {}) as Partial<ShardResult>;
  const { files, classes } = expected;
  const wrong = (what: string) => new UserError(`a worker's answer is not usable: ${what}`);
  if (version !== SHARD_VERSION) {
    throw wrong(`version ${show(version)}, expected ${SHARD_VERSION}; run the same deit-tfjs everywhere`);
  }
  if (typeof backend !== 'string' || !/^[\w.-]{1,40}$/.test(backend)) throw wrong('no name of a backend');
  if (!Array.isArray(indices) || !Array.isArray(failures) || !Array.isArray(heads))
    throw wrong('no indices, failures or heads');
  if (heads.length > MAX_HEADS) throw wrong(`${heads.length} heads`);
  const count = files.length;
  const places = [...indices, ...failures.map((failure) => failure?.index)];
  const all = new Set(places.filter((place) => Number.isInteger(place) && place >= 0 && place < count));
  if (places.length !== count || all.size !== count)
    throw wrong(`it is not about each of ${count} images once`);
  const decode = (text: unknown) => {
    const values = fromBase64(text);
    if (values?.length !== classes * indices.length) {
      throw wrong(`expected the logits of ${indices.length} images of ${classes} classes in base64`);
    }
    const bad = values.findIndex((logit) => !Number.isFinite(logit));
    if (bad < 0) return values;
    throw wrong(`${files[indices[Math.floor(bad / classes)]]} has the logit ${values[bad]}`);
  };
  return {
    backend,
    logits: decode(logits),
    ...(heads.length > 0 ? { heads: heads.map(decode) } : {}),
    indices: indices.map((place) => expected.indices[place]!),
    failures: failures.map(({ index, message }) => {
      if (typeof message !== 'string') throw wrong(`no reason why ${files[index]} was not read`);
      return { index: expected.indices[index]!, message: shorten(message, MAX_MESSAGE) };
    }),
  };
}

/** float32, little-endian; undefined for what is not base64 of whole values. */
function fromBase64(text: unknown): Float32Array | undefined {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return bytes.length % 4 === 0 ? new Float32Array(bytes.buffer) : undefined;
}
