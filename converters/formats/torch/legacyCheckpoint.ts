import { UserError } from '../../../src/errors.js';
import { MAX_PICKLE_BYTES } from '../limits.js';
import { readPickle } from '../pickle/machine.js';
import { List, type PickleValue } from '../pickle/values.js';
import { quote } from '../quote.js';
import type { ByteSource, Checkpoint } from '../types.js';
import { checkpointOf } from './checkpointOf.js';
import { collect } from './collect.js';
import { TorchHost } from './objects.js';

/** MAGIC_NUMBER and PROTOCOL_VERSION of torch/serialization.py. */
const LEGACY_MAGIC = 0x1950a86a20f9469cfc6cn;
const LEGACY_PROTOCOL = 1001;

/** The pickles' length is written nowhere: so much of the file is tried, then more. */
const FIRST_WINDOW = 2 ** 20;
const WINDOW_GROWTH = 8;

/** Before each storage stands its number of elements. */
const COUNT_BYTES = 8;

interface LegacyPickles {
  readonly object: PickleValue;
  readonly keys: readonly string[];
  readonly host: TorchHost;
  /** Where the first storage's count begins. */
  readonly end: number;
}

/**
 * Reads what torch.save wrote before PyTorch 1.6: pickles of a magic number, the protocol, facts of the machine, the
 * object and the list of storage keys, then the storages (torch/serialization.py, _legacy_save).
 */
export async function readLegacyCheckpoint(source: ByteSource): Promise<Checkpoint> {
  const { object, keys, host, end } = await readPickles(source);
  const collected = collect(object, host, source.name);
  const starts = await locateStorages(source, keys, host, end);
  // Storages are little-endian whatever machine wrote them (torch/csrc/serialization.cpp).
  return checkpointOf(source.name, 'legacy', collected, false, (key, offset, length) =>
    source.read(starts.get(key)! + offset, length),
  );
}

async function readPickles(source: ByteSource): Promise<LegacyPickles> {
  for (let window = FIRST_WINDOW; ; window *= WINDOW_GROWTH) {
    const length = Math.min(window, source.size, MAX_PICKLE_BYTES);
    const bytes = await source.read(0, length);
    const isLast = length === source.size || length === MAX_PICKLE_BYTES;
    const pickles = tryPickles(bytes, source.name, isLast);
    if (pickles !== undefined) return pickles;
  }
}

/** Undefined if the pickles go on beyond `bytes`, and that is not all there may be. */
function tryPickles(bytes: Uint8Array, file: string, isLast: boolean): LegacyPickles | undefined {
  const host = new TorchHost();
  let end = 0;
  const values: PickleValue[] = [];
  for (let i = 0; i < 5; i++) {
    const read = readPickle(bytes, end, host, { file, start: 0 }, isLast);
    if (read === undefined) return undefined;
    values.push(read.value);
    end = read.end;
    if (i === 2) checkPreamble(values, file);
  }
  return { object: values[3]!, keys: storageKeys(values[4]!, file), host, end };
}

function checkPreamble([magic, protocol]: readonly PickleValue[], file: string): void {
  if (magic !== LEGACY_MAGIC || protocol !== LEGACY_PROTOCOL) {
    throw new UserError(
      `${file}: expected PyTorch's magic number and protocol ${LEGACY_PROTOCOL}, found others.`,
    );
  }
}

function storageKeys(value: PickleValue, file: string): string[] {
  if (!(value instanceof List))
    throw new UserError(`${file}: expected the list of storage keys after the object.`);
  return value.items.map((key) => {
    if (typeof key === 'string' || typeof key === 'number') return String(key);
    throw new UserError(`${file}: expected strings in the list of storage keys.`);
  });
}

/** Byte at which each storage's elements begin. They follow each other in the order of the keys. */
async function locateStorages(
  source: ByteSource,
  keys: readonly string[],
  host: TorchHost,
  start: number,
): Promise<Map<string, number>> {
  const starts = new Map<string, number>();
  let position = start;
  for (const key of keys) {
    const storage = host.storages.get(key);
    if (storage === undefined || starts.has(key)) {
      const fault = storage === undefined ? 'belongs to no tensor' : 'comes twice';
      throw new UserError(`${source.name}: in the list of storages, ${quote(key)} ${fault}.`);
    }
    const count = await readCount(source, position);
    if (count !== BigInt(storage.rootElements)) {
      throw new UserError(
        `${source.name}: byte ${position}: storage ${quote(key)} was announced with ${storage.rootElements} elements, ` +
          `but has ${count}.`,
      );
    }
    starts.set(key, position + COUNT_BYTES);
    position += COUNT_BYTES + storage.rootBytes;
    if (!(position <= source.size)) {
      throw new UserError(
        `${source.name}: storage ${quote(key)} should end at byte ${position}, but the file ends at byte ` +
          `${source.size}; it is cut short; download it again.`,
      );
    }
  }
  checkAllPresent(starts, host, source.name);
  return starts;
}

async function readCount(source: ByteSource, position: number): Promise<bigint> {
  const bytes = await source.read(position, COUNT_BYTES);
  return new DataView(bytes.buffer, bytes.byteOffset, COUNT_BYTES).getBigInt64(0, true);
}

function checkAllPresent(starts: ReadonlyMap<string, number>, host: TorchHost, file: string): void {
  for (const key of host.storages.keys()) {
    if (!starts.has(key))
      throw new UserError(`${file}: storage ${quote(key)} is not in the list of storages.`);
  }
}
