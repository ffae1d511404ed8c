import { UserError } from '../../src/errors.js';
import { isReadable, itemBytes } from './dtypes.js';
import {
  MAX_DIMENSIONS,
  MAX_METADATA_LENGTH,
  MAX_METADATA_VALUES,
  MAX_NAME_LENGTH,
  MAX_SAFETENSORS_HEADER_BYTES,
} from './limits.js';
import { quote } from './quote.js';
import { elementCount, rowMajorStride, stridedTensor, unreadableTensor } from './stridedTensor.js';
import type { ByteSource, Checkpoint, CheckpointTensor } from './types.js';

/** The length of the header, an unsigned 64-bit number, comes first. */
const LENGTH_BYTES = 8;

/** The format's codes (safetensors/src/tensor.rs) with PyTorch's names. */
const DTYPES: ReadonlyMap<unknown, string> = new Map<unknown, string>([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['F8_E4M3', 'float8_e4m3fn'],
  ['F8_E4M3FNUZ', 'float8_e4m3fnuz'],
  ['F8_E5M2', 'float8_e5m2'],
  ['F8_E5M2FNUZ', 'float8_e5m2fnuz'],
  ['F8_E8M0', 'float8_e8m0fnu'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U64', 'uint64'],
  ['U32', 'uint32'],
  ['U16', 'uint16'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
  ['C64', 'complex64'],
]);

/** Codes that are not read, or that a later version of the format may bring. */
const OTHER_CODE = /^[A-Z][A-Z0-9_]{0,30}$/;

interface HeaderEntry {
  readonly name: string;
  /** PyTorch's name, or the format's code where it is not read. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Bytes [begin, end) of the data after the header. */
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a safetensors file: a length, a JSON header, the tensors' bytes without holes
 * (github.com/huggingface/safetensors, "Format").
 */
export async function readSafetensors(source: ByteSource): Promise<Checkpoint> {
  const length = await headerLength(source);
  const header = parseHeader(await source.read(LENGTH_BYTES, length), source.name);
  const dataStart = LENGTH_BYTES + length;
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, entry]) => checkEntry(name, entry, source.name));
  checkNoHoles(entries, source.size - dataStart, source.name);
  const tensors = new Map<string, CheckpointTensor>();
  for (const { name, dtype, shape, begin } of entries) {
    if (!isReadable(dtype)) {
      tensors.set(name, unreadableTensor(source.name, name, dtype, shape, `its dtype ${dtype} is not read`));
      continue;
    }
    const view = { dtype, shape, stride: rowMajorStride(shape), offset: 0 };
    tensors.set(
      name,
      stridedTensor(name, view, (offset, bytes) => source.read(dataStart + begin + offset, bytes)),
    );
  }
  const metadata = checkMetadata(header.__metadata__, source.name);
  return { name: source.name, format: 'safetensors', tensors, metadata };
}

async function headerLength(source: ByteSource): Promise<number> {
  const bytes = await source.read(0, LENGTH_BYTES);
  const view = new DataView(bytes.buffer, bytes.byteOffset, LENGTH_BYTES);
  const length = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (length > MAX_SAFETENSORS_HEADER_BYTES) {
    throw new UserError(
      `${source.name}: its safetensors header has ${length} bytes; at most ${MAX_SAFETENSORS_HEADER_BYTES} are read.`,
    );
  }
  return length;
}

function parseHeader(bytes: Uint8Array, file: string): Record<string, unknown> {
  const header = parseJson(bytes, file);
  if (isObject(header)) return header;
  throw new UserError(`${file}: expected a JSON object in the safetensors header.`);
}

function parseJson(bytes: Uint8Array, file: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new UserError(
      `${file}: the safetensors header is not JSON in UTF-8; the file is cut short or damaged.`,
    );
  }
}

function checkEntry(name: string, entry: unknown, file: string): HeaderEntry {
  const fault = (problem: string) => new UserError(`${file}: tensor ${quote(name)}: ${problem}.`);
  if (name.length > MAX_NAME_LENGTH) throw fault(`its name has more than ${MAX_NAME_LENGTH} characters`);
  const { dtype: code, shape, data_offsets: offsets } = isObject(entry) ? entry : {};
  const isOther = typeof code === 'string' && OTHER_CODE.test(code);
  const dtype = DTYPES.get(code) ?? (isOther ? code : undefined);
  if (dtype === undefined) {
    const found = typeof code === 'string' ? quote(code) : 'something else';
    throw fault(`expected a dtype of ${[...DTYPES.keys()].join(', ')}, found ${found}`);
  }
  if (!isWholeNumbers(shape) || shape.length > MAX_DIMENSIONS) {
    throw fault(`expected a shape of up to ${MAX_DIMENSIONS} whole numbers`);
  }
  if (!isWholeNumbers(offsets) || offsets.length !== 2)
    throw fault('expected data_offsets of two whole numbers');
  const [begin, end] = offsets as [number, number];
  const item = itemBytes(dtype);
  const bytes = item === undefined ? Math.max(0, end - begin) : elementCount(shape) * item;
  if (end - begin !== bytes) {
    throw fault(`shape [${shape}] of ${dtype} takes ${bytes} bytes, but data_offsets give ${end - begin}`);
  }
  return { name, dtype, shape, begin, end };
}

/** The tensors must cover the data from its first byte to its last, each byte once. */
function checkNoHoles(entries: readonly HeaderEntry[], dataBytes: number, file: string): void {
  let covered = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== covered) {
      const fault = begin < covered ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new UserError(
        `${file}: tensor ${quote(name)} ${fault}: it begins at ${begin}, expected ${covered}.`,
      );
    }
    covered = end;
  }
  if (covered !== dataBytes) {
    throw new UserError(
      `${file}: its tensors take ${covered} bytes, but the file has ${dataBytes} after the header; ` +
        'it is cut short or damaged; download it again.',
    );
  }
}

function checkMetadata(value: unknown, file: string): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null);
  if (value === undefined) return metadata;
  if (!isObject(value)) throw new UserError(`${file}: expected strings in __metadata__.`);
  for (const [key, text] of Object.entries(value).slice(0, MAX_METADATA_VALUES)) {
    if (typeof text !== 'string')
      throw new UserError(`${file}: expected a string in __metadata__ ${quote(key)}.`);
    if (text.length <= MAX_METADATA_LENGTH) metadata[key] = text;
  }
  return metadata;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isWholeNumbers(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
