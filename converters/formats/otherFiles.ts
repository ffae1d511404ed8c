import { quote } from './quote.js';
import type { ByteSource } from './types.js';

const UNPACK = 'unpack it and give the checkpoint that is in it';
const FROM_SOURCE = 'which is not read; give the PyTorch or safetensors checkpoint that it was made from';
const PLAIN_PICKLE =
  'a plain Python pickle, not one of torch.save; load it in Python and torch.save its weights';

/** Other files that turn up in a checkpoint's place: the mark, where it stands, what they are and what to do. */
const MARKS: readonly (readonly [mark: string, at: number, what: string])[] = [
  ['version https://git-lfs', 0, 'a git-lfs pointer; run git lfs pull to get the file itself'],
  ['version https://hawser', 0, 'a git-lfs pointer; run git lfs pull to get the file itself'],
  ['\x89HDF\r\n\x1a\n', 0, `an HDF5 file (Keras weights, .h5), ${FROM_SOURCE}`],
  ['\x1f\x8b', 0, `a gzip file; ${UNPACK} (gunzip FILE, or tar xzf FILE for .tar.gz)`],
  ['BZh', 0, `a bzip2 file; ${UNPACK} (bunzip2 FILE, or tar xjf FILE for .tar.bz2)`],
  ['\xfd7zXZ', 0, `an xz file; ${UNPACK} (unxz FILE, or tar xJf FILE for .tar.xz)`],
  ['7z\xbc\xaf\x27\x1c', 0, `a 7z archive; ${UNPACK} (7z x FILE)`],
  ['Rar!\x1a\x07', 0, `a RAR archive; ${UNPACK}`],
  ['\x28\xb5\x2f\xfd', 0, `a zstd file; ${UNPACK} (unzstd FILE)`],
  ['\x04\x22\x4d\x18', 0, `an lz4 file; ${UNPACK} (unlz4 FILE)`],
  ['PK\x07\x08', 0, 'a part of a zip archive in several parts; join them first (zip -s 0 FILE --out WHOLE)'],
  ['GGUF', 0, `a GGUF file (llama.cpp), ${FROM_SOURCE}`],
  ['lmgg', 0, `a GGML file (llama.cpp), ${FROM_SOURCE}`],
  // SavedModel: schema version 1, then a MetaGraphDef.
  ['\x08\x01\x12', 0, `a TensorFlow SavedModel (saved_model.pb), ${FROM_SOURCE}`],
  ['TFL3', 4, `a TensorFlow Lite model, ${FROM_SOURCE}`],
  ['\x89PNG', 0, 'a PNG image'],
  ['\xff\xd8\xff', 0, 'a JPEG image'],
  ['%PDF', 0, 'a PDF document'],
  ['\x7fELF', 0, 'a program'],
  ['MZ\x90', 0, 'a program'],
  ['\x80\x02', 0, PLAIN_PICKLE],
  ['\x80\x03', 0, PLAIN_PICKLE],
  ['\x80\x04', 0, PLAIN_PICKLE],
  ['\x80\x05', 0, PLAIN_PICKLE],
  ['\x78\x9c', 0, `zlib data (joblib?); ${UNPACK}`],
];

/** The same by patterns at the beginning. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [
    /^(\xef\xbb\xbf)?\s*(<!--[\s\S]*?-->\s*)?(<!doctype html|<html|<head|<body)/i,
    'an HTML page: the download gave a page, not the file; log in, or take the link of the file itself',
  ],
  [/^(\xef\xbb\xbf)?\s*<(\?xml|Error>)/, 'an XML text, such as servers send as an error; download it again'],
  [/^(\(dp|\(lp|\(i|ccollections\n|ccopy_reg\n|ccopyreg\n|ctorch|c__main__)/, PLAIN_PICKLE],
  [/^(\xef\xbb\xbf)?\s*\{[\s\S]*"(weight_map|total_size)"/, 'an index of shards; give the folder it is in'],
  [
    /^(\xef\xbb\xbf)?\s*\{[\s\S]*"(modelTopology|weightsManifest|format": ?"layers-model)/,
    'the model.json of a converted folder; give the folder',
  ],
  [/^(\xef\xbb\xbf)?\s*\{\s*"(error|message|detail)"/, 'an error message as JSON; download it again'],
  [/^(\xef\xbb\xbf)?\s*[{[]/, 'a JSON text'],
  // A map whose first key is a short text.
  [/^([\x81-\x8f]|\xde..|\xdf....)([\xa1-\xbf]|\xd9.)[\w/.-]/s, `a msgpack file (Flax), ${FROM_SOURCE}`],
];

const TAR_BLOCK = 512;
/** Members of a tar archive that are looked at. */
const MAX_MEMBERS = 32;

/** Ends the index of a TensorFlow checkpoint, as every leveldb table (table/format.h). */
const TABLE_MAGIC = [0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb];

/** A part of what torch.distributed.checkpoint writes begins as a zip archive of torch.save. */
export const DISTRIBUTED =
  'a part of a distributed checkpoint (torch.distributed.checkpoint); join it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER whole.pth';

/** What a file is that no reader takes, and what to do with it, as the end of "expected …, found …". */
export async function describeOther(head: string, source: ByteSource): Promise<string> {
  if (head.startsWith('ustar', 257)) return describeTar(source);
  const marked = MARKS.find(([mark, at]) => head.startsWith(mark, at));
  if (marked !== undefined) return marked[2];
  if (isOnnx(head)) return `an ONNX model, ${FROM_SOURCE}`;
  const pattern = PATTERNS.find(([pattern]) => pattern.test(head));
  if (pattern !== undefined) return pattern[1];
  // Its bytes have no mark of their own.
  if (/\.data-\d{5}-of-\d{5}$/.test(source.name))
    return `the values of a TensorFlow checkpoint, ${FROM_SOURCE}`;
  if (await isTableIndex(source)) return `the index of a TensorFlow checkpoint, ${FROM_SOURCE}`;
  if (/^\0+$/.test(head)) return 'zeros where its beginning should be; download it again';
  if (/^[\s\x20-\x7e]+$/.test(head)) return `text that begins with ${quote(head.slice(0, 40))}`;
  const hex = [...head.slice(0, 8)].map((c) => c.charCodeAt(0).toString(16).padStart(2, '0')).join(' ');
  return `a file of another kind (its first bytes are ${hex})`;
}

/** ModelProto: ir_version (1 to some tens), then producer_name, its version, a domain, the graph or opset_import. */
function isOnnx(head: string): boolean {
  const version = head.charCodeAt(1);
  return (
    head.startsWith('\x08') && version > 0 && version < 32 && '\x12\x1a\x22\x3a\x42'.includes(head[2] ?? '?')
  );
}

/** PyTorch's own tar of before 0.2, or an archive around a checkpoint. */
async function describeTar(source: ByteSource): Promise<string> {
  const names = await tarMembers(source);
  const isTorch = ['storages', 'tensors', 'pickle'].every((part) => names.includes(part));
  if (isTorch) {
    return (
      'a checkpoint of PyTorch 0.1, which kept them as tar archives; load it in Python with weights_only=False, if you ' +
      'trust it, and torch.save it again'
    );
  }
  const inner = names.find((name) => /\.(pth|pt|bin|ckpt|safetensors|npz)$/i.test(name));
  const around = inner === undefined ? '' : ` around ${quote(inner)}`;
  return `a tar archive${around}; ${UNPACK} (tar xf FILE)`;
}

async function tarMembers(source: ByteSource): Promise<string[]> {
  const names: string[] = [];
  for (let at = 0; names.length < MAX_MEMBERS && at + TAR_BLOCK <= source.size; ) {
    const block = await source.read(at, TAR_BLOCK);
    const text = String.fromCharCode(...block);
    const name = text.slice(0, 100).replace(/\0[\s\S]*$/, '');
    const size = Number.parseInt(text.slice(124, 136), 8);
    if (name === '' || !Number.isSafeInteger(size) || size < 0) break;
    names.push(name.replace(/^\.\//, ''));
    at += TAR_BLOCK + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
  return names;
}

async function isTableIndex(source: ByteSource): Promise<boolean> {
  if (source.size < TABLE_MAGIC.length) return false;
  const end = await source.read(source.size - TABLE_MAGIC.length, TABLE_MAGIC.length);
  return TABLE_MAGIC.every((byte, i) => end[i] === byte);
}
