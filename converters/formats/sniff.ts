import { UserError } from '../../src/errors.js';
import { quote } from './quote.js';
import type { ByteSource } from './types.js';

/** What readers are told apart by. A zip archive is one of PyTorch's or of NumPy's. */
export type Container = 'zip' | 'legacy' | 'safetensors';

/** Enough for the marks of every container, the tar header's at 257 among them. */
const HEAD_BYTES = 512;

const EXPECTED = 'expected a PyTorch checkpoint (.pth) or a safetensors file';

/** The first local header, or the end of a directory without entries. */
const ZIP_MARKS = ['PK\x03\x04', 'PK\x05\x06'];

/** LEGACY_MAGIC as a pickle writes it: LONG1, ten bytes. */
const LEGACY_MAGIC_BYTES = '\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19';

/** Other files that turn up in a checkpoint's place: the mark, where it stands, what they are. */
const OTHERS: readonly (readonly [mark: string, at: number, what: string])[] = [
  ['version https://git-lfs', 0, 'a git-lfs pointer; run git lfs pull to get the file itself'],
  ['\x89HDF\r\n\x1a\n', 0, 'an HDF5 file (Keras weights?)'],
  ['\x1f\x8b', 0, 'a gzip file; unpack it first'],
  ['BZh', 0, 'a bzip2 file; unpack it first'],
  ['\xfd7zXZ', 0, 'an xz file; unpack it first'],
  ['7z\xbc\xaf', 0, 'a 7z archive; unpack it first'],
  ['\x28\xb5\x2f\xfd', 0, 'a zstd file; unpack it first'],
  ['\x93NUMPY', 0, 'a NumPy array'],
  ['GGUF', 0, 'a GGUF file'],
  ['TFL3', 4, 'a TensorFlow Lite model'],
  ['ustar', 257, 'a tar archive (very old PyTorch wrote these); load and save it by a newer PyTorch'],
  ['\x89PNG', 0, 'a PNG picture'],
  ['\xff\xd8\xff', 0, 'a JPEG picture'],
  ['\x80\x02', 0, 'a plain Python pickle, not one of torch.save'],
  ['\x80\x03', 0, 'a plain Python pickle, not one of torch.save'],
  ['\x80\x04', 0, 'a plain Python pickle, not one of torch.save'],
  ['\x80\x05', 0, 'a plain Python pickle, not one of torch.save'],
];

/** The same for texts. */
const TEXTS: readonly (readonly [RegExp, string])[] = [
  [/^\s*(<!doctype html|<html)/i, 'an HTML page; the download gave a page, not the file'],
  [/^\s*<\?xml/, 'an XML text (an error of the download?)'],
  [/^(\(dp|\(lp|ccollections\n|ccopy_reg\n|ctorch)/, 'a plain Python pickle, not one of torch.save'],
  [/^\s*[{[]/, 'a JSON text'],
];

/** Which container the bytes are, by their content. Throws a UserError that names what else they are. */
export async function sniffFormat(source: ByteSource): Promise<Container> {
  if (source.size === 0) throw new UserError(`${source.name}: ${EXPECTED}, found an empty file.`);
  const bytes = await source.read(0, Math.min(HEAD_BYTES, source.size));
  const head = String.fromCharCode(...bytes);
  if (ZIP_MARKS.some((mark) => head.startsWith(mark))) return 'zip';
  // Before the magic number come PROTO and, from protocol 4 on, FRAME: 11 bytes at most.
  if (head.startsWith('\x80') && head.slice(2, 32).includes(LEGACY_MAGIC_BYTES)) return 'legacy';
  if (isSafetensors(bytes)) return 'safetensors';
  throw new UserError(`${source.name}: ${EXPECTED}, found ${describeOther(head)}.`);
}

/** An 8-byte length, which nobody makes longer than 2^48, then a JSON object. */
function isSafetensors(bytes: Uint8Array): boolean {
  const opens = bytes[8] === 0x7b && bytes[7] === 0 && bytes[6] === 0;
  return opens && [0x22, 0x7d, 0x20, 0x0a, 0x0d, 0x09].includes(bytes[9] ?? 0x20);
}

function describeOther(head: string): string {
  const marked = OTHERS.find(([mark, at]) => head.startsWith(mark, at));
  if (marked !== undefined) return marked[2];
  const text = TEXTS.find(([pattern]) => pattern.test(head));
  if (text !== undefined) return text[1];
  if (/^[\s\x20-\x7e]+$/.test(head)) return `text that begins with ${quote(head.slice(0, 40))}`;
  const hex = [...head.slice(0, 8)].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join(' ');
  return `a file of another kind (its first bytes are ${hex})`;
}
