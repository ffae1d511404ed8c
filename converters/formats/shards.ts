import { UserError } from '../../src/errors.js';
import { MAX_INDEX_CHARACTERS, MAX_METADATA_LENGTH, MAX_SHARDS, MAX_TENSORS } from './limits.js';
import { parseCheckpoint } from './parseCheckpoint.js';
import { quote } from './quote.js';
import type { ByteSource, Checkpoint, CheckpointTensor } from './types.js';

/** Opens a shard by its path, which is relative to the folder of the index. */
export type OpenShard = (path: string) => Promise<ByteSource>;

/**
 * A checkpoint in several files, as Hugging Face's libraries write them: `model.safetensors.index.json` or
 * `pytorch_model.bin.index.json`, whose weight_map names the shard of each tensor. Each shard's list of tensors is read
 * here, one shard after another; values are read when a tensor's read() is called, so what `open` gave must stay open.
 *
 * Throws a UserError if the index is not one, names a path outside of its folder, or names a tensor twice, if a shard
 * is missing, has not a tensor that the index promises, or two shards hold tensors of one name.
 *
 * @param index the text of the index
 * @param name the index's path, for messages; it becomes the checkpoint's name
 */
export async function openShards(index: string, name: string, open: OpenShard): Promise<Checkpoint> {
  const { shardOf, metadata } = parseIndex(index, name);
  const paths = pathsOf(shardOf, name);
  const tensors = new Map<string, CheckpointTensor>();
  const holders = new Map<string, string>();
  let format: Checkpoint['format'] = 'safetensors';
  for (const path of paths) {
    const shard = await parseCheckpoint(await openShard(open, path, name));
    format = shard.format;
    Object.assign(metadata, shard.metadata);
    for (const [tensorName, tensor] of shard.tensors) {
      const other = holders.get(tensorName);
      if (other !== undefined)
        throw new UserError(
          `${name}: tensor ${quote(tensorName)} is in ${quote(other)} and in ${quote(path)}; ` +
            'the shards are not of one checkpoint; download them again.',
        );
      if (tensors.size === MAX_TENSORS)
        throw new UserError(`${name}: its shards have more than ${MAX_TENSORS} tensors.`);
      holders.set(tensorName, path);
      tensors.set(tensorName, tensor);
    }
  }
  checkPromised(shardOf, holders, name);
  return { name, format, tensors, metadata };
}

/**
 * Paths of the shards that an index names, relative to its folder.
 *
 * @param index its text
 * @param name its path, for messages
 * @throws UserError as openShards does of an index
 */
export function shardPaths(index: string, name: string): readonly string[] {
  return pathsOf(parseIndex(index, name).shardOf, name);
}

function pathsOf(shardOf: ReadonlyMap<string, string>, name: string): readonly string[] {
  const paths = [...new Set(shardOf.values())].sort();
  if (paths.length <= MAX_SHARDS) return paths;
  throw new UserError(`${name}: it names more than ${MAX_SHARDS} files; at most so many are read.`);
}

async function openShard(open: OpenShard, path: string, index: string): Promise<ByteSource> {
  try {
    return await open(path);
  } catch (error) {
    const reason = error instanceof UserError ? error.message : undefined;
    if (reason === undefined) throw error;
    throw new UserError(`${index}: its shard ${quote(path)} cannot be opened: ${reason}`);
  }
}

function checkPromised(
  shardOf: ReadonlyMap<string, string>,
  holders: ReadonlyMap<string, string>,
  name: string,
): void {
  for (const [tensorName, path] of shardOf) {
    if (holders.get(tensorName) === path) continue;
    throw new UserError(
      `${name}: tensor ${quote(tensorName)} should be in ${quote(path)} and is not; ` +
        'the index and its shards are not of one checkpoint; download them again.',
    );
  }
}

interface ShardIndex {
  /** The shard's path, by the tensor's name. */
  readonly shardOf: ReadonlyMap<string, string>;
  readonly metadata: Record<string, string | number | boolean | null>;
}

function parseIndex(text: string, name: string): ShardIndex {
  if (text.length > MAX_INDEX_CHARACTERS)
    throw new UserError(
      `${name}: has ${text.length} characters; at most ${MAX_INDEX_CHARACTERS} are read of an index.`,
    );
  const json = parseJson(text, name);
  const map = isObject(json) ? json.weight_map : undefined;
  if (!isObject(json) || !isObject(map))
    throw new UserError(`${name}: expected an index of shards, a JSON object with weight_map.`);
  const entries = Object.entries(map);
  if (entries.length > MAX_TENSORS)
    throw new UserError(`${name}: it names more than ${MAX_TENSORS} tensors.`);
  if (entries.length === 0) throw new UserError(`${name}: its weight_map names no tensors.`);
  checkNoDuplicates(text, json, name);
  const shardOf = new Map<string, string>();
  for (const [tensorName, path] of entries) {
    if (typeof path !== 'string' || !isInside(path)) {
      const found = typeof path === 'string' ? quote(path) : 'no path';
      throw new UserError(
        `${name}: tensor ${quote(tensorName)}: expected the name of a file beside the index, found ${found}.`,
      );
    }
    shardOf.set(tensorName, path);
  }
  return { shardOf, metadata: plainEntries(json.metadata) };
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch {
    throw new UserError(`${name}: is not JSON; it is cut short or damaged; download it again.`);
  }
}

/** Whether a path stays in its folder, read by whatever system: no `..`, no root, drive, address or control character. */
function isInside(path: string): boolean {
  if (path.length > 512 || !/^[^\\:\p{Cc}]+$/u.test(path)) return false;
  return path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** JSON.parse keeps the last of two equal keys without a word: the keys of the text are counted against those kept. */
function checkNoDuplicates(text: string, json: Record<string, unknown>, name: string): void {
  let written = 0;
  for (const _ of text.matchAll(/"(?:[^"\\]|\\.)*"(\s*:)?/g)) if (_[1] !== undefined) written += 1;
  if (written !== countKeys(json, 0))
    throw new UserError(`${name}: it names a tensor twice; the index is damaged; download it again.`);
}

function countKeys(value: unknown, depth: number): number {
  if (typeof value !== 'object' || value === null || depth > 100) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce<number>((sum, inner) => sum + countKeys(inner, depth + 1), own);
}

function plainEntries(value: unknown): Record<string, string | number | boolean | null> {
  const plain: Record<string, string | number | boolean | null> = Object.create(null);
  if (!isObject(value)) return plain;
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry === 'number' || typeof entry === 'boolean') plain[key] = entry;
    if (typeof entry === 'string' && entry.length <= MAX_METADATA_LENGTH) plain[key] = entry;
  }
  return plain;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
