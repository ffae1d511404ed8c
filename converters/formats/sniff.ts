import { UserError } from '../../src/errors.js';
import { DISTRIBUTED, describeOther } from './otherFiles.js';
import type { ByteSource } from './types.js';

/** What readers are told apart by. A zip archive is one of PyTorch's or of NumPy's. */
export type Container = 'zip' | 'legacy' | 'safetensors' | 'npy';

/** Enough for the marks of every container, the tar header's at 257 among them. */
const HEAD_BYTES = 512;

const EXPECTED = 'expected a PyTorch checkpoint (.pth), a safetensors file or a .npz';

/** The first local header, or the end of a directory without entries. */
const ZIP_MARKS = ['PK\x03\x04', 'PK\x05\x06'];

/** LEGACY_MAGIC as a pickle writes it: LONG1, ten bytes. */
const LEGACY_MAGIC_BYTES = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19';

/** Which container the bytes are, by their content. Throws a UserError that names what else they are. */
export async function sniffFormat(source: ByteSource): Promise<Container> {
  if (source.size === 0) {
    throw new UserError(`${source.name}: ${EXPECTED}, found an empty file; download it again.`);
  }
  if (source.name.endsWith('.distcp'))
    throw new UserError(`${source.name}: ${EXPECTED}, found ${DISTRIBUTED}.`);
  const bytes = await source.read(0, Math.min(HEAD_BYTES, source.size));
  const head = String.fromCharCode(...bytes);
  if (ZIP_MARKS.some((mark) => head.startsWith(mark))) return 'zip';
  // Before the magic number come PROTO and, from protocol 4 on, FRAME: 11 bytes at most.
  if (head.startsWith('\x80') && head.slice(2, 32).includes(LEGACY_MAGIC_BYTES)) return 'legacy';
  if (head.startsWith('\x93NUMPY')) return 'npy';
  if (isSafetensors(bytes)) return 'safetensors';
  throw new UserError(`${source.name}: ${EXPECTED}, found ${await describeOther(head, source)}.`);
}

/** An 8-byte length, below 2^48 in any real file, then a JSON object. */
function isSafetensors(bytes: Uint8Array): boolean {
  const opens = bytes[8] === 0x7b && bytes[7] === 0 && bytes[6] === 0;
  return opens && [0x22, 0x7d, 0x20, 0x0a, 0x0d, 0x09].includes(bytes[9] ?? 0x20);
}
