import { UserError } from '../../src/errors.js';
import { MAX_NAME_LENGTH, MAX_NPY_HEADER_BYTES, MAX_NPZ_ARRAYS } from './limits.js';
import { NPY_PREAMBLE_BYTES, npyHeaderEnd, npyTensor, parseNpyHeader } from './npy.js';
import { quote } from './quote.js';
import type { ByteSource, Checkpoint, CheckpointTensor } from './types.js';
import type { ZipArchive } from './zipArchive.js';

const NPY = '.npy';

/** Most headers end after 128 bytes, to which NumPy fills them up. */
const USUAL_HEADER_BYTES = 256;

/** Whether a zip archive is one that numpy.savez writes: all its files are arrays. */
export function isNpz(zip: ZipArchive): boolean {
  return zip.names.length > 0 && zip.names.every((name) => name.endsWith(NPY) || name.endsWith('/'));
}

/**
 * Reads an archive of numpy.savez, as google-research's ViT and big_vision publish: each array under its name without
 * the ending, slashes as they are (`Transformer/encoderblock_0/LayerNorm_0/scale`). Arrays that were compressed are
 * inflated when they are read, each by itself.
 */
export async function readNpz(source: ByteSource, zip: ZipArchive): Promise<Checkpoint> {
  const names = zip.names.filter((name) => name.endsWith(NPY));
  if (names.length > MAX_NPZ_ARRAYS)
    throw new UserError(`${source.name}: it has more than ${MAX_NPZ_ARRAYS} arrays.`);
  const tensors = new Map<string, CheckpointTensor>();
  for (const entry of names) {
    const name = entry.slice(0, -NPY.length);
    if (name.length > MAX_NAME_LENGTH)
      throw new UserError(
        `${source.name}: the name ${quote(name)} has more than ${MAX_NAME_LENGTH} characters.`,
      );
    tensors.set(name, await arrayOf(source.name, name, zip, entry));
  }
  return { name: source.name, format: 'npz', tensors, metadata: Object.create(null) };
}

async function arrayOf(
  file: string,
  name: string,
  zip: ZipArchive,
  entry: string,
): Promise<CheckpointTensor> {
  const inner = `${file}: ${quote(entry)}`;
  // To begin inflating costs more than to inflate a few bytes more.
  const first = zip.isStored(entry) ? USUAL_HEADER_BYTES : MAX_NPY_HEADER_BYTES;
  let head = await zip.head(entry, first);
  const end = npyHeaderEnd(head, inner);
  if (head.length < end) head = await zip.head(entry, end);
  if (head.length < end) throw new UserError(`${inner}: the NumPy array is cut short; download it again.`);
  const header = parseNpyHeader(head.subarray(0, end), inner);
  return npyTensor(file, name, header, zip.size(entry), async (offset, length) =>
    zip.read(entry, offset, length),
  );
}

/** Reads a single array (.npy), named `array`. */
export async function readNpy(source: ByteSource): Promise<Checkpoint> {
  const preamble = await source.read(0, Math.min(NPY_PREAMBLE_BYTES, source.size));
  const end = npyHeaderEnd(preamble, source.name);
  const header = parseNpyHeader(await source.read(0, end), source.name);
  const tensor = npyTensor(source.name, 'array', header, source.size, (offset, length) =>
    source.read(offset, length),
  );
  return {
    name: source.name,
    format: 'npy',
    tensors: new Map([['array', tensor]]),
    metadata: Object.create(null),
  };
}
