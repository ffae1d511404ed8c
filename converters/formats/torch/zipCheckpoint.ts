import { UserError } from '../../../src/errors.js';
import { MAX_PICKLE_BYTES } from '../limits.js';
import { readPickle } from '../pickle/machine.js';
import { quote } from '../quote.js';
import type { ByteSource, Checkpoint } from '../types.js';
import type { ZipArchive } from '../zipArchive.js';
import { describeZip } from '../zipKinds.js';
import { checkpointOf } from './checkpointOf.js';
import { collect } from './collect.js';
import { TorchHost } from './objects.js';

/** Versions of the zip container, from its `version` entry (caffe2/serialize/versions.h of PyTorch). */
const MAX_VERSION = 10;

/** Longest of the small entries that hold a word. */
const MAX_WORD_BYTES = 64;

/**
 * Reads what torch.save writes since PyTorch 1.6: a zip archive with NAME/data.pkl and one entry NAME/data/KEY for each
 * storage, stored without compression (torch/serialization.py, _save).
 */
export async function readZipCheckpoint(source: ByteSource, zip: ZipArchive): Promise<Checkpoint> {
  const prefix = findPrefix(zip, source.name);
  const order = await readWord(zip, `${prefix}byteorder`, source.name, '"little" or "big"', isByteOrder);
  await readWord(zip, `${prefix}version`, source.name, `version 1 to ${MAX_VERSION}`, isVersion);
  const host = new TorchHost();
  const root = await readObject(zip, `${prefix}data.pkl`, source.name, host);
  const collected = collect(root, host, source.name);
  const entries = await openStorages(zip, prefix, host, source.name);
  return checkpointOf(source.name, 'zip', collected, order === 'big', (key, offset, length) =>
    entries.get(key)!.read(offset, length),
  );
}

function findPrefix(zip: ZipArchive, file: string): string {
  const pickles = zip.names.filter((name) => /^([^/]*\/)?data\.pkl$/.test(name));
  const [pickle, other] = pickles;
  if (pickle === undefined) {
    throw new UserError(`${file}: expected a PyTorch checkpoint, found ${describeZip(zip.names)}.`);
  }
  if (other !== undefined) {
    throw new UserError(
      `${file}: holds two checkpoints, ${quote(pickle)} and ${quote(other)}; save the one that is meant by itself.`,
    );
  }
  const prefix = pickle.slice(0, -'data.pkl'.length);
  if (zip.has(`${prefix}constants.pkl`)) {
    throw new UserError(
      `${file}: expected a state_dict, found a TorchScript program; save its weights by ` +
        'torch.save(torch.jit.load(FILE).state_dict(), PATH).',
    );
  }
  return prefix;
}

/** A small entry's word, or undefined if there is no such entry. */
async function readWord(
  zip: ZipArchive,
  name: string,
  file: string,
  expected: string,
  isSound: (word: string) => boolean,
): Promise<string | undefined> {
  if (!zip.has(name)) return undefined;
  const entry = await zip.open(name);
  const word = new TextDecoder().decode(await entry.read(0, Math.min(entry.size, MAX_WORD_BYTES))).trim();
  if (!isSound(word))
    throw new UserError(`${file}: expected ${expected}, found ${quote(word)} in ${quote(name)}.`);
  return word;
}

function isByteOrder(word: string): boolean {
  return word === 'little' || word === 'big';
}

function isVersion(word: string): boolean {
  return /^\d{1,2}$/.test(word) && Number(word) >= 1 && Number(word) <= MAX_VERSION;
}

async function readObject(zip: ZipArchive, name: string, file: string, host: TorchHost) {
  const entry = await zip.open(name);
  if (entry.size > MAX_PICKLE_BYTES) {
    throw new UserError(`${file}: ${name} has ${entry.size} bytes; at most ${MAX_PICKLE_BYTES} are read.`);
  }
  const bytes = await entry.read(0, entry.size);
  return readPickle(bytes, 0, host, { file, entry: name, start: 0 }, true)!.value;
}

async function openStorages(
  zip: ZipArchive,
  prefix: string,
  host: TorchHost,
  file: string,
): Promise<Map<string, ByteSource>> {
  const entries = new Map<string, ByteSource>();
  for (const storage of host.storages.values()) {
    const entry = await zip.open(`${prefix}data/${storage.key}`);
    if (entry.size !== storage.rootBytes) {
      throw new UserError(
        `${file}: storage ${quote(storage.key)} is declared as ${storage.rootElements} elements of ${storage.dtype}, ` +
          `${storage.rootBytes} bytes, but its zip entry has ${entry.size}.`,
      );
    }
    entries.set(storage.key, entry);
  }
  return entries;
}
