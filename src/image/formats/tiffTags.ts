/** The first directory of a TIFF or BigTIFF. */
import { DamagedImage } from './damaged.js';

/** Tags by the names of the TIFF 6.0 specification. */
export const TAG = {
  width: 256,
  height: 257,
  bitsPerSample: 258,
  compression: 259,
  photometric: 262,
  fillOrder: 266,
  stripOffsets: 273,
  orientation: 274,
  samplesPerPixel: 277,
  rowsPerStrip: 278,
  stripByteCounts: 279,
  planar: 284,
  predictor: 317,
  colorMap: 320,
  tileWidth: 322,
  tileLength: 323,
  tileOffsets: 324,
  tileByteCounts: 325,
  extraSamples: 338,
  sampleFormat: 339,
  yCbCrCoefficients: 529,
  yCbCrSubsampling: 530,
  referenceBlackWhite: 532,
} as const;

export interface TiffTags {
  readonly littleEndian: boolean;
  /** All values of a tag, or undefined if it is not there. */
  get(tag: number): number[] | undefined;
}

/** Bytes of a value, by the type's number. */
const SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8];

/** Reads one value of a type. */
function readValue(view: DataView, type: number, at: number, little: boolean): number {
  switch (type) {
    case 1:
    case 2:
    case 7:
      return view.getUint8(at);
    case 6:
      return view.getInt8(at);
    case 3:
      return view.getUint16(at, little);
    case 8:
      return view.getInt16(at, little);
    case 9:
      return view.getInt32(at, little);
    case 5:
      return view.getUint32(at, little) / view.getUint32(at + 4, little);
    case 10:
      return view.getInt32(at, little) / view.getInt32(at + 4, little);
    case 11:
      return view.getFloat32(at, little);
    case 12:
      return view.getFloat64(at, little);
    case 16:
    case 18:
      return Number(view.getBigUint64(at, little));
    case 17:
      return Number(view.getBigInt64(at, little));
    default:
      return view.getUint32(at, little);
  }
}

export function readTiffTags(bytes: Uint8Array): TiffTags {
  const early = () => new DamagedImage('the TIFF ends within its directory');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const little = bytes[0] === 0x49;
  if (bytes.length < 16) throw early();
  const big = view.getUint16(2, little) === 43;
  if (big && !little) throw new DamagedImage('a BigTIFF in big-endian order, which is not read');
  const word = (at: number) => (big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little));
  const [wordBytes, countBytes, entryBytes] = big ? [8, 8, 20] : [4, 2, 12];
  const directory = word(big ? 8 : 4);
  if (directory + countBytes > bytes.length) throw early();
  const count = big ? word(directory) : view.getUint16(directory, little);
  if (directory + countBytes + count * entryBytes > bytes.length) throw early();
  const entries = new Map<number, number>();
  for (let i = 0; i < count; i++) {
    const at = directory + countBytes + i * entryBytes;
    entries.set(view.getUint16(at, little), at);
  }
  const get = (tag: number) => {
    const at = entries.get(tag);
    if (at === undefined) return undefined;
    const type = view.getUint16(at + 2, little);
    const values = word(at + 4);
    const size = SIZES[type] ?? 0;
    if (size === 0 || values === 0) return undefined;
    const from = values * size <= wordBytes ? at + 4 + wordBytes : word(at + 4 + wordBytes);
    // Pillow passes over a tag whose values are not there.
    if (from + values * size > bytes.length) return undefined;
    return Array.from({ length: values }, (_, i) => readValue(view, type, from + i * size, little));
  };
  return { littleEndian: little, get };
}
