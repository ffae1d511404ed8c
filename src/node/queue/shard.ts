import { realpath } from 'node:fs/promises';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { UserError } from '../../errors.js';
import type { ScoredBatch } from '../../evaluate/index.js';
import type { Preprocessing } from '../../image/types.js';

/**
 * What goes through the queue. Whoever can write to Redis can write anything there, so both sides check what they
 * take out of it before they act on it.
 */

/** Some pictures to be classified: the payload of a job. */
export interface Shard {
  readonly version: typeof SHARD_VERSION;
  /** modelFingerprint of the model that is evaluated. */
  readonly model: string;
  readonly preprocessing: Preprocessing;
  /** Pictures to a batch: it decides the last bits of the logits, so every worker takes the same. */
  readonly batchSize: number;
  /** Whether a distilled model gives both heads' logits too. */
  readonly heads: boolean;
  /** Paths below the data folder, with forward slashes. */
  readonly files: readonly string[];
}

/** A worker's answer: the value that a job returns. */
export interface ShardResult {
  readonly version: typeof SHARD_VERSION;
  /** The tfjs backend that computed it. */
  readonly backend: string;
  /** Places in `files` of the pictures that were read. */
  readonly indices: readonly number[];
  /** float32 [indices.length, classes], little-endian, as base64. */
  readonly logits: string;
  /** The same of each head, where the shard asks for them and the model has two; otherwise none. */
  readonly heads: readonly string[];
  readonly failures: ScoredBatch['failures'];
}

export const SHARD_VERSION = 2;

/** Most pictures of a shard: bounds a job's payload and answer. */
export const MAX_SHARD = 4096;
/** The heads of a distilled model. */
const MAX_HEADS = 2;
/** Longest side of a model's input, in pixels, that a worker prepares. */
const MAX_CROP = 4096;
/** Longest side, in pixels, that a picture is scaled to before it is cropped. */
const MAX_RESIZE = 8192;
/** Longest path, in characters: what file systems allow. */
const MAX_PATH = 4096;

/** Checks a payload. Throws a UserError that says what is wrong with it. */
export function requireShard(value: unknown): Shard {
  const shard = (value ?? {}) as Partial<Shard>;
  const wrong = (what: string) => new UserError(`a job that is no shard of pictures: ${what}`);
  if (shard.version !== SHARD_VERSION) throw wrong(`version ${shard.version}, expected ${SHARD_VERSION}`);
  if (typeof shard.model !== 'string') throw wrong('no model');
  const { files, batchSize } = shard;
  if (!Array.isArray(files) || !within(files.length, MAX_SHARD))
    throw wrong(`expected 1 to ${MAX_SHARD} files`);
  if (!within(batchSize, MAX_SHARD)) throw wrong(`batch size ${batchSize}`);
  if (typeof shard.heads !== 'boolean') throw wrong('heads is neither true nor false');
  for (const file of files) requireRelative(file);
  if (!isPreprocessing(shard.preprocessing)) throw wrong('no usable preprocessing');
  return shard as Shard;
}

/** Whether a value is a whole number from 1 to `most`. */
function within(value: unknown, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= most;
}

function isPreprocessing(value: unknown): value is Preprocessing {
  const { preset, resize, crop, mean, std } = (value ?? {}) as Partial<Preprocessing>;
  const triple = (list: unknown) => Array.isArray(list) && list.length === 3 && list.every(Number.isFinite);
  if (typeof preset !== 'string' || !triple(mean) || !triple(std)) return false;
  if (!Array.isArray(crop) || crop.length !== 2 || !crop.every((side) => within(side, MAX_CROP)))
    return false;
  if (resize?.mode === 'short') return within(resize.size, MAX_RESIZE);
  return resize?.mode === 'squash' && within(resize.height, MAX_RESIZE) && within(resize.width, MAX_RESIZE);
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
  if (!plain)
    throw new UserError(`a job names ${JSON.stringify(file)}, which is no path below the data folder`);
}

/**
 * Where the files of a shard lie in a worker's data folder. Symbolic links are followed, but not out of it.
 *
 * @param root the real path of the data folder
 * @throws UserError for a file that is not there or lies outside
 */
export async function locateFiles(root: string, files: readonly string[]): Promise<string[]> {
  return Promise.all(
    files.map(async (file) => {
      const path = join(root, file);
      const real = await realpath(path).catch((error: NodeJS.ErrnoException) => {
        throw new UserError(`${path}: not in this worker's data folder (${error.code})`);
      });
      const below = relative(root, real);
      if (below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below)) {
        throw new UserError(`${path}: leads out of this worker's data folder, so it is not read`);
      }
      return resolve(path);
    }),
  );
}

/** A worker's batches as an answer. The batches follow one another; their indices are places in the shard. */
export function encodeResult(batches: readonly ScoredBatch[], backend: string): ShardResult {
  // A batch of which no picture could be read has no heads either.
  const read = batches.filter(({ indices }) => indices.length > 0);
  const headCount = read[0]?.heads?.length ?? 0;
  return {
    version: SHARD_VERSION,
    backend,
    indices: batches.flatMap(({ indices }) => indices),
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

/**
 * An answer as one batch, its indices moved by `start`. Throws a UserError unless every file of the shard is there
 * exactly once, with finite logits or a failure.
 */
export function decodeResult(
  value: unknown,
  { start, count, classes }: { start: number; count: number; classes: number },
): ScoredBatch & { backend: string } {
  const { version, backend, indices, logits, heads, failures } = (value ?? {}) as Partial<ShardResult>;
  const wrong = (what: string) => new UserError(`a worker's answer is not usable: ${what}`);
  if (version !== SHARD_VERSION || typeof backend !== 'string' || typeof logits !== 'string') {
    throw wrong(`version ${version}, expected ${SHARD_VERSION}; run the same deit-tfjs everywhere`);
  }
  if (!Array.isArray(indices) || !Array.isArray(failures) || !Array.isArray(heads))
    throw wrong('no indices, failures or heads');
  if (heads.length > MAX_HEADS) throw wrong(`${heads.length} heads`);
  const places = [...indices, ...failures.map((failure) => failure?.index)];
  const all = new Set(places.filter((place) => Number.isInteger(place) && place >= 0 && place < count));
  if (places.length !== count || all.size !== count)
    throw wrong(`it is not about each of ${count} pictures once`);
  const decode = (text: unknown) => {
    const bytes = Uint8Array.from(Buffer.from(String(text), 'base64'));
    if (bytes.length !== 4 * classes * indices.length) {
      throw wrong(`${bytes.length} bytes of logits for ${indices.length} pictures of ${classes} classes`);
    }
    return new Float32Array(bytes.buffer);
  };
  return {
    backend,
    logits: decode(logits),
    ...(heads.length > 0 ? { heads: heads.map(decode) } : {}),
    indices: indices.map((index) => start + index),
    failures: failures.map(({ index, message }) => ({ index: start + index, message: String(message) })),
  };
}
