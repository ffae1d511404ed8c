/**
 * TIFF as Pillow reads it: the kinds of pixels of its OPEN_INFO, uncompressed, with LZW, deflate or PackBits, in strips
 * or tiles, together or in planes; turned by the orientation tag, in Pillow's case for TIFF alone.
 */
import type { RgbImage } from '../types.js';
import { type CheckSize, DamagedImage } from './damaged.js';
import { clipped, unpackBits } from './expand.js';
import type { Inflate } from './inflate.js';
import { rgbFromCmyk } from './samples.js';
import { COMPRESSION, decompress, reverseBits, undoDifferences } from './tiffCodecs.js';
import { readTiffTags, TAG, type TiffTags } from './tiffTags.js';
import { libtiffYCbCr, pillowYCbCr, type YCbCrToRgb } from './yCbCr.js';

/** Photometric interpretations. */
const WHITE_IS_ZERO = 0;
const BLACK_IS_ZERO = 1;
const RGB = 2;
const PALETTE = 3;
const CMYK = 5;
const YCBCR = 6;

/** What the tags say of an image. */
interface Layout {
  readonly width: number;
  readonly height: number;
  readonly photometric: number;
  readonly compression: number;
  /** Bits of each sample, which are equal. */
  readonly bits: number;
  /** 1: unsigned, 2: signed, 3: floating point. */
  readonly format: number;
  readonly samples: number;
  readonly extra: readonly number[];
  readonly planar: boolean;
  readonly reversed: boolean;
  readonly differences: boolean;
  readonly littleEndian: boolean;
  /** Size of a strip or tile. */
  readonly blockWidth: number;
  readonly blockHeight: number;
  readonly offsets: readonly number[];
  readonly byteCounts: readonly number[] | undefined;
  readonly orientation: number;
  readonly tags: TiffTags;
}

/** JPEG in its later form, which another decoder reads. */
const JPEG = 7;

/** Compressions in front of which a predictor stands; in front of others the tag says nothing. */
const PREDICTED: readonly number[] = [COMPRESSION.lzw, COMPRESSION.deflate, COMPRESSION.oldDeflate];

function refused(what: string): DamagedImage {
  return new DamagedImage(`a TIFF ${what}, which is not read; save it as PNG`);
}

function readLayout(tags: TiffTags): Layout {
  const one = (tag: number, standard: number) => tags.get(tag)?.[0] ?? standard;
  const [width, height] = [one(TAG.width, 0), one(TAG.height, 0)];
  const bitsPerSample = tags.get(TAG.bitsPerSample) ?? [1];
  const photometric = one(TAG.photometric, 0);
  const compression = one(TAG.compression, 1);
  const inColour = compression === JPEG && (photometric === RGB || photometric === YCBCR);
  let samples = one(TAG.samplesPerPixel, inColour ? 3 : 1);
  let extra = tags.get(TAG.extraSamples) ?? [];
  const planar = one(TAG.planar, 1) === 2;
  // Pillow leaves extra planes of no meaning out.
  if (planar && extra.length > 0 && Math.max(...extra) === 0) {
    // Its own reader then misses their names, and the other decoder here would take one for alpha.
    if (compression === COMPRESSION.none || compression === JPEG)
      throw refused('with extra planes of no meaning');
    samples -= extra.length;
    extra = [];
  }
  const formats = tags.get(TAG.sampleFormat) ?? [1];
  const bits = bitsPerSample[0]!;
  const uniform = bitsPerSample.slice(0, samples).every((other) => other === bits);
  if (!uniform || (bitsPerSample.length < samples && bitsPerSample.length !== 1))
    throw refused('with samples of different sizes');
  if (formats.some((format) => format !== formats[0])) throw refused('with samples of different formats');
  const tiled = !tags.get(TAG.stripOffsets);
  const offsets = tags.get(tiled ? TAG.tileOffsets : TAG.stripOffsets) ?? [];
  const blockWidth = tiled ? one(TAG.tileWidth, 0) : width;
  const blockHeight = tiled ? one(TAG.tileLength, 0) : Math.min(height, one(TAG.rowsPerStrip, height));
  const covering = blockWidth === width && blockHeight === height;
  return {
    width,
    height,
    photometric,
    compression,
    bits,
    format: formats[0]!,
    samples,
    extra,
    planar: planar && samples > 1,
    reversed: one(TAG.fillOrder, 1) === 2,
    differences: PREDICTED.includes(compression) && hasDifferences(one(TAG.predictor, 1), bits),
    littleEndian: tags.littleEndian,
    blockWidth,
    blockHeight,
    // Of several that each cover the image, Pillow takes the last.
    offsets: covering && compression === COMPRESSION.none && !planar ? offsets.slice(-1) : offsets,
    byteCounts: tags.get(tiled ? TAG.tileByteCounts : TAG.stripByteCounts),
    orientation: one(TAG.orientation, 1),
    tags,
  };
}

/** Whether samples stand as differences from those before them. */
function hasDifferences(predictor: number, bits: number): boolean {
  // libtiff takes differences of whole bytes alone.
  if (predictor > 2 || (predictor === 2 && bits < 8))
    throw refused(`with predictor ${predictor} of samples of ${bits} bits`);
  return predictor === 2;
}

/** Writes `count` pixels, which begin at `at` in `data`, to `rgb`. */
type ToRgb = (data: Uint8Array, at: number, count: number, rgb: Uint8ClampedArray, to: number) => void;

/** Extra samples that Pillow knows behind those of RGB. */
const EXTRA_OF_RGB = ['', '0', '0,0', '0,0,0', '1', '1,0', '1,0,0', '2', '2,0', '2,0,0', '999'];
const EXTRA_OF_RGB16 = ['', '0', '1', '2'];

/** The kinds that Pillow reads with FillOrder 2, which are fewer without compression. */
function isReversible({
  photometric,
  bits,
  format,
  samples,
  extra,
  compression,
  littleEndian,
}: Layout): boolean {
  if (format !== 1 || extra.length > 0) return false;
  if (photometric === RGB) return bits === 8 && samples === 3;
  if (samples !== 1) return false;
  const raw = compression === COMPRESSION.none;
  if (photometric === WHITE_IS_ZERO) return [1, 2, 4].includes(bits) || (bits === 8 && !raw);
  if (photometric === BLACK_IS_ZERO) return bits <= 8 || (bits === 16 && littleEndian);
  return photometric === PALETTE && (bits === 8 || !raw);
}

function pixelReader(layout: Layout): ToRgb {
  const { photometric, bits, format, samples, reversed } = layout;
  const extra = layout.extra.join();
  const kind = `${photometric}/${format}/${bits}/${samples}`;
  if (reversed && !isReversible(layout)) throw refused('with reversed bits in its pixels');
  const grey =
    (photometric === WHITE_IS_ZERO || photometric === BLACK_IS_ZERO) && samples === 1 && extra === '';
  if (grey) {
    const reader = greyReader(layout);
    if (reader) return reader;
  }
  if (photometric === BLACK_IS_ZERO && format === 1 && bits === 8 && samples === 2) {
    if (extra === '0' || extra === '2') return greySteps(2);
  }
  if (photometric === PALETTE && format === 1) {
    if ([1, 2, 4, 8].includes(bits) && samples === 1 && extra === '') return paletteReader(layout);
    if (bits === 8 && samples === 2 && (extra === '0' || extra === '2')) return paletteReader(layout);
  }
  if (photometric === RGB && format === 1 && samples >= 3) {
    const known = bits === 8 ? EXTRA_OF_RGB : bits === 16 ? EXTRA_OF_RGB16 : [];
    const given = samples === 4 && extra === '' ? '2' : extra;
    if (known.includes(given) && samples === 3 + (given === '' ? 0 : given.split(',').length))
      return rgbReader(layout, given.startsWith('1'));
  }
  if (photometric === CMYK && format === 1) {
    if (bits === 8 && ['', '0', '0,0'].includes(extra) && samples === 4 + layout.extra.length)
      return cmykReader(layout);
    if (bits === 16 && extra === '' && samples === 4) return cmykReader(layout);
  }
  if (photometric === YCBCR && kind === '6/1/8/1' && extra === '' && layout.compression === COMPRESSION.none)
    return greySteps(1);
  if (photometric === YCBCR && kind === '6/1/8/3' && extra === '') return yCbCrReader(pillowYCbCr());
  if (photometric === 8) throw refused('in CIELAB');
  throw refused(`with pixels of kind ${kind}${extra === '' ? '' : ` and extra samples ${extra}`}`);
}

function greyReader(layout: Layout): ToRgb | undefined {
  const { photometric, bits, format, compression } = layout;
  // What libtiff has put into the machine's order, Pillow reads in the file's order; 16 unsigned bits alone are right.
  const swapped = compression !== COMPRESSION.none && !(format === 1 && bits === 16);
  const littleEndian = layout.littleEndian || swapped;
  const inverted = photometric === WHITE_IS_ZERO;
  if (format === 1 && [1, 2, 4, 8].includes(bits)) {
    const most = 2 ** bits - 1;
    const levels = Uint8Array.from({ length: 2 ** bits }, (_, i) => ((inverted ? most - i : i) * 255) / most);
    return unpacked(bits, (sample, rgb, to) => rgb.fill(levels[sample]!, to, to + 3));
  }
  if (format === 2 && bits === 8 && !inverted) return greySteps(1);
  // Pillow's mode I;16 in files of big-endian order is not inverted but refused.
  if (bits === 16 && (inverted ? format === 1 && layout.littleEndian : format <= 2)) {
    return numeric(2, (view, at) =>
      format === 1 ? view.getUint16(at, littleEndian) : view.getInt16(at, littleEndian),
    );
  }
  if (bits === 32 && format === 3) return numeric(4, (view, at) => view.getFloat32(at, littleEndian));
  if (bits === 32 && !inverted && (format === 2 || layout.littleEndian))
    return numeric(4, (view, at) => view.getInt32(at, littleEndian));
  return undefined;
}

/** Samples of a few bits. */
function unpacked(bits: number, put: (sample: number, rgb: Uint8ClampedArray, to: number) => void): ToRgb {
  let samples = new Uint8Array();
  return (data, at, count, rgb, to) => {
    if (samples.length < count) samples = new Uint8Array(count);
    unpackBits(data.subarray(at), bits, samples, 0, count);
    for (let i = 0; i < count; i++) put(samples[i]!, rgb, to + 3 * i);
  };
}

/** Grey of more than 8 bits, of which Pillow clips. */
function numeric(bytes: number, read: (view: DataView, at: number) => number): ToRgb {
  return (data, at, count, rgb, to) => {
    const view = new DataView(data.buffer, data.byteOffset, data.length);
    for (let i = 0; i < count; i++) rgb.fill(clipped(read(view, at + i * bytes)), to + 3 * i, to + 3 * i + 3);
  };
}

/** Grey of 8 bits with `step` bytes a pixel. */
function greySteps(step: number): ToRgb {
  return (data, at, count, rgb, to) => {
    for (let i = 0; i < count; i++) rgb.fill(data[at + i * step]!, to + 3 * i, to + 3 * i + 3);
  };
}

/** The color map holds all reds, then all greens, then all blues, of 16 bits. */
function paletteReader({ bits, samples, tags }: Layout): ToRgb {
  const map = tags.get(TAG.colorMap);
  if (!map) throw new DamagedImage('the TIFF has no colour map');
  const size = Math.floor(map.length / 3);
  if (size > 256) throw new DamagedImage('the colour map of the TIFF has more than 256 colours');
  const level = (index: number, channel: number) => (index < size ? map[channel * size + index]! >> 8 : 0);
  const put = (index: number, rgb: Uint8ClampedArray, to: number) => {
    for (let channel = 0; channel < 3; channel++) rgb[to + channel] = level(index, channel);
  };
  if (samples === 1) return unpacked(bits, put);
  return (data, at, count, rgb, to) => {
    for (let i = 0; i < count; i++) put(data[at + i * samples]!, rgb, to + 3 * i);
  };
}

/** The high bytes of samples that follow one another. */
function rgbReader({ bits, samples, littleEndian }: Layout, premultiplied: boolean): ToRgb {
  const bytes = bits / 8;
  const high = bits === 16 && littleEndian ? 1 : 0;
  return (data, at, count, rgb, to) => {
    for (let i = 0; i < count; i++) {
      const p = at + i * samples * bytes + high;
      const alpha = premultiplied ? data[p + 3 * bytes]! : 255;
      for (let channel = 0; channel < 3; channel++) {
        const level = data[p + channel * bytes]!;
        rgb[to++] = alpha === 255 ? level : alpha === 0 ? 0 : Math.floor((level * 255) / alpha);
      }
    }
  };
}

function cmykReader({ bits, samples, littleEndian }: Layout): ToRgb {
  const bytes = bits / 8;
  const high = bits === 16 && littleEndian ? 1 : 0;
  return (data, at, count, rgb, to) => {
    const inks = new Uint8Array(count * 4);
    for (let i = 0; i < inks.length; i++) inks[i] = data[at + ((i >> 2) * samples + (i & 3)) * bytes + high]!;
    rgb.set(rgbFromCmyk(inks), to);
  };
}

function yCbCrReader(convert: YCbCrToRgb): ToRgb {
  return (data, at, count, rgb, to) => {
    for (let i = 0, p = at; i < count; i++, p += 3)
      convert(data[p]!, data[p + 1]!, data[p + 2]!, rgb, to + 3 * i);
  };
}

/** Compressions that are left to another decoder: fax of three kinds, and JPEG. */
const ELSEWHERE = [2, 3, 4, JPEG];
const DECODED: readonly number[] = Object.values(COMPRESSION);

/** Throws for tags that libtiff refuses, by which Pillow reads what is compressed. */
function checkForLibtiff({ tags, offsets, byteCounts }: Layout): void {
  const planar = tags.get(TAG.planar) ?? [1];
  if (planar.length !== 1 || (planar[0] !== 1 && planar[0] !== 2))
    throw new DamagedImage(`the TIFF has the planar configuration ${planar}`);
  if (byteCounts && byteCounts.length !== offsets.length)
    throw new DamagedImage('the TIFF has other numbers of sizes and of places of its strips or tiles');
}

/** Throws for pixels that the other decoder reads in another way than Pillow, or reads where Pillow refuses them. */
function checkElsewhere(layout: Layout): void {
  pixelReader(layout);
  if (!layout.planar) return;
  if (![RGB, CMYK].includes(layout.photometric)) throw refused('in planes of this kind');
}

/**
 * @param inflate the engine's own, if it has one
 * @returns undefined for a compression that is left to another decoder
 * @throws DamagedImage for what is no image, or none that is read
 */
export async function decodeTiff(
  bytes: Uint8Array<ArrayBuffer>,
  checkSize: CheckSize,
  inflate?: Inflate,
): Promise<RgbImage | undefined> {
  const tags = readTiffTags(bytes);
  const compression = tags.get(TAG.compression)?.[0] ?? COMPRESSION.none;
  if (ELSEWHERE.includes(compression)) {
    checkElsewhere(readLayout(tags));
    return undefined;
  }
  if (!DECODED.includes(compression)) throw refused(`with compression ${compression}`);
  const layout = readLayout(tags);
  const { width, height, blockWidth, blockHeight } = layout;
  if (!Number.isSafeInteger(width) || width < 1 || height < 1)
    throw new DamagedImage(`the TIFF has ${width} × ${height} pixels`);
  checkSize(width, height);
  if (compression !== COMPRESSION.none) checkForLibtiff(layout);
  if (blockWidth < 1 || blockHeight < 1) throw new DamagedImage('the TIFF has strips or tiles of no size');
  // What libtiff would hold of one tile; no tile is far larger than its image.
  checkSize(blockWidth, blockHeight);
  const rgb = new Uint8ClampedArray(width * height * 3);
  // Compressed YCbCr is converted by libtiff, and may have fewer samples of colour.
  const subsampled = layout.photometric === YCBCR && layout.compression !== COMPRESSION.none;
  if (subsampled) await readSubsampled(bytes, layout, rgb, inflate);
  else await readBlocks(bytes, layout, rgb, inflate);
  return oriented({ data: new Uint8Array(rgb.buffer), width, height }, layout.orientation);
}

/** The bytes of a strip or tile before they are decompressed. */
function blockBytes(
  bytes: Uint8Array<ArrayBuffer>,
  layout: Layout,
  block: number,
  length: number,
): Uint8Array<ArrayBuffer> {
  const offset = layout.offsets[block]!;
  // Without compression Pillow reads what it needs, whatever the counts say.
  const count =
    layout.compression === COMPRESSION.none ? length : (layout.byteCounts?.[block] ?? bytes.length - offset);
  if (offset + count > bytes.length) throw new DamagedImage('the TIFF ends within its pixels');
  const data = bytes.subarray(offset, offset + count);
  return layout.reversed ? reverseBits(data) : data;
}

/** The strips and tiles of a plane in order, with where they lie; throws if there are fewer than the image needs. */
function* blocksOf(layout: Layout, planes: number) {
  const { width, height, blockWidth, blockHeight, offsets } = layout;
  const across = Math.ceil(width / blockWidth);
  const count = across * Math.ceil(height / blockHeight);
  if (offsets.length < count * planes)
    throw new DamagedImage('the TIFF has fewer strips or tiles than it needs');
  for (let block = 0; block < count; block++) {
    const left = (block % across) * blockWidth;
    const top = Math.floor(block / across) * blockHeight;
    const columns = Math.min(blockWidth, width - left);
    const rows = Math.min(blockHeight, height - top);
    yield { block, left, top, columns, rows, count };
  }
}

async function readBlocks(
  bytes: Uint8Array<ArrayBuffer>,
  layout: Layout,
  rgb: Uint8ClampedArray,
  inflate: Inflate | undefined,
): Promise<void> {
  const { width, blockWidth, blockHeight, bits, samples, compression, planar } = layout;
  if (
    planar &&
    (![8, 16].includes(bits) ||
      ![RGB, CMYK].includes(layout.photometric) ||
      (compression === COMPRESSION.none && bits === 16))
  ) {
    throw refused('in planes of this kind');
  }
  const toRgb = pixelReader(layout);
  const inBlock = planar ? 1 : samples;
  const rowBytes = Math.ceil((blockWidth * bits * inBlock) / 8);
  const tiled = layout.tags.get(TAG.stripOffsets) === undefined;
  const planes = planar ? samples : 1;
  const bytesPerSample = bits / 8;
  for (const { block, left, top, columns, rows, count } of blocksOf(layout, planes)) {
    const length = rowBytes * (tiled ? blockHeight : rows);
    let data = new Uint8Array();
    for (let plane = 0; plane < planes; plane++) {
      const packed = blockBytes(bytes, layout, block + plane * count, length);
      const part = await decompress(packed, compression, length, inflate);
      if (layout.differences) undoDifferences(part, rowBytes, inBlock, bits, layout.littleEndian);
      if (!planar) data = part;
      else if (plane === 0) data = new Uint8Array(length * planes);
      if (planar) interleave(part, data, plane, planes, bytesPerSample);
    }
    const pitch = planar ? rowBytes * planes : rowBytes;
    for (let y = 0; y < rows; y++) toRgb(data, y * pitch, columns, rgb, ((top + y) * width + left) * 3);
  }
}

/** Puts the samples of a plane into their places among those of the others. */
function interleave(part: Uint8Array, out: Uint8Array, plane: number, planes: number, bytes: number): void {
  for (let from = 0, to = plane * bytes; from < part.length; from += bytes, to += planes * bytes) {
    for (let b = 0; b < bytes; b++) out[to + b] = part[from + b]!;
  }
}

const LUMA = [0.299, 0.587, 0.114];
const REFERENCE = [0, 255, 128, 255, 128, 255];

/** Blocks of across × down luminances followed by one Cb and one Cr, as libtiff's RGBA reader has them. */
async function readSubsampled(
  bytes: Uint8Array<ArrayBuffer>,
  layout: Layout,
  rgb: Uint8ClampedArray,
  inflate: Inflate | undefined,
): Promise<void> {
  const { width, blockWidth, blockHeight, tags, compression } = layout;
  const [across = 2, down = 2] = tags.get(TAG.yCbCrSubsampling) ?? [];
  const known = ['1,1', '2,1', '1,2', '2,2', '4,1', '4,2'].includes(`${across},${down}`);
  if (
    !known ||
    layout.samples !== 3 ||
    layout.bits !== 8 ||
    layout.format !== 1 ||
    layout.planar ||
    layout.reversed ||
    layout.extra.length > 0
  ) {
    throw refused('in YCbCr of this kind');
  }
  if (layout.differences && (across > 1 || down > 1))
    throw refused('in YCbCr with fewer colours and a predictor');
  const convert = libtiffYCbCr(
    tags.get(TAG.yCbCrCoefficients) ?? LUMA,
    tags.get(TAG.referenceBlackWhite) ?? REFERENCE,
  );
  const tiled = tags.get(TAG.stripOffsets) === undefined;
  const unit = across * down + 2;
  const unitsPerRow = Math.ceil(blockWidth / across);
  for (const { block, left, top, columns, rows } of blocksOf(layout, 1)) {
    const length = unitsPerRow * unit * Math.ceil((tiled ? blockHeight : rows) / down);
    const data = await decompress(blockBytes(bytes, layout, block, length), compression, length, inflate);
    if (layout.differences) undoDifferences(data, unitsPerRow * unit, 3, 8, layout.littleEndian);
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const at = (Math.floor(y / down) * unitsPerRow + Math.floor(x / across)) * unit;
        const luminance = data[at + (y % down) * across + (x % across)]!;
        convert(
          luminance,
          data[at + unit - 2]!,
          data[at + unit - 1]!,
          rgb,
          ((top + y) * width + left + x) * 3,
        );
      }
    }
  }
}

/** The image turned and mirrored as the orientation tag says (Pillow's exif_transpose). */
function oriented(image: RgbImage, orientation: number): RgbImage {
  if (orientation < 2 || orientation > 8) return image;
  const { width, height } = image;
  const swapped = orientation > 4;
  const [columns, rows] = swapped ? [height, width] : [width, height];
  const fromRight = [2, 3, 7, 8].includes(orientation);
  const fromBottom = [3, 4, 6, 7].includes(orientation);
  const data = new Uint8Array(image.data.length);
  for (let y = 0, o = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, o += 3) {
      const [u, v] = swapped ? [y, x] : [x, y];
      const p = ((fromBottom ? height - 1 - v : v) * width + (fromRight ? width - 1 - u : u)) * 3;
      data[o] = image.data[p]!;
      data[o + 1] = image.data[p + 1]!;
      data[o + 2] = image.data[p + 2]!;
    }
  }
  return { data, width: columns, height: rows };
}
