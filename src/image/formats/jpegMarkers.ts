/** Markers behind the first scan of a JPEG, at which libjpeg, and with it Pillow, gives a file up. */
import { DamagedImage } from './damaged.js';

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const DRI = 0xdd;
const DQT = 0xdb;
const DHT = 0xc4;
const DAC = 0xcc;

const isRestart = (marker: number) => marker >= 0xd0 && marker <= 0xd7;
/** SOF0 to SOF15 and JPG, less the tables DHT and DAC. */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xcc;
/** DHT, DAC, DQT, DNL, DRI, APP0 to APP15, COM. */
const isSegment = (marker: number) =>
  marker === 0xc4 ||
  marker === 0xcc ||
  (marker >= 0xdb && marker <= 0xdd) ||
  (marker >= 0xe0 && marker <= 0xef) ||
  marker === 0xfe;

/** The next marker from `at` on (FF and neither 00 nor a fill byte), or undefined at the end of the file. */
function nextMarker(bytes: Uint8Array, at: number): { marker: number; after: number } | undefined {
  for (let from = at; ; ) {
    const found = bytes.indexOf(0xff, from);
    if (found < 0 || found + 1 >= bytes.length) return undefined;
    const marker = bytes[found + 1]!;
    if (marker !== 0 && marker !== 0xff) return { marker, after: found + 2 };
    from = marker === 0 ? found + 2 : found + 1;
  }
}

/**
 * Throws for a marker that does not exist or may not be there, behind the beginning of the first scan. The decoder does
 * not look that far once it has all rows, and gives grey pixels for what such a marker cuts off.
 */
export function checkScanMarkers(bytes: Uint8Array): void {
  let restarts = false;
  let scanning = false;
  for (let at = 2; ; ) {
    const found = nextMarker(bytes, at);
    if (!found || found.marker === EOI) return;
    const { marker, after } = found;
    at = after;
    if (isRestart(marker) || marker === 0x01) continue;
    const length = at + 1 < bytes.length ? bytes[at]! * 256 + bytes[at + 1]! : 2;
    if (marker === DRI && length === 4) restarts = bytes[at + 2] !== 0 || bytes[at + 3] !== 0;
    if (marker === SOS) scanning = true;
    if (scanning && !allowed(bytes, marker, at, length)) {
      // At a restart, libjpeg passes over marks that no marker has.
      if (restarts && marker < 0xc0 && restartFollows(bytes, at)) continue;
      throw new DamagedImage(
        `the JPEG has the marker ff${marker.toString(16).padStart(2, '0')} within its pixels`,
      );
    }
    at += marker === SOI ? 0 : length;
  }
}

function allowed(bytes: Uint8Array, marker: number, at: number, length: number): boolean {
  if (marker === SOI || isFrame(marker)) return false;
  if (marker === SOS) {
    const components = bytes[at + 2] ?? 1;
    return components >= 1 && components <= 4 && length === 6 + 2 * components;
  }
  if (!isSegment(marker) || length < 2) return false;
  // Of a table that the file cuts off, libjpeg has seen what is there.
  const table = bytes.subarray(at + 2, at + length);
  const whole = at + length <= bytes.length;
  if (marker === DQT) return isQuantization(table, whole);
  if (marker === DHT) return isHuffman(table, whole);
  if (marker === DAC) return isConditioning(table, whole);
  return marker !== DRI || length === 4;
}

/** Tables of 64 entries of 8 or 16 bits, with numbers up to 3. */
function isQuantization(table: Uint8Array, whole: boolean): boolean {
  let at = 0;
  while (at < table.length) {
    if ((table[at]! & 15) > 3) return false;
    at += 1 + (table[at]! >> 4 ? 128 : 64);
  }
  return !whole || at === table.length;
}

/** Tables of 16 counts and as many symbols, with numbers up to 3. */
function isHuffman(table: Uint8Array, whole: boolean): boolean {
  let at = 0;
  while (at + 17 <= table.length) {
    const symbols = table.subarray(at + 1, at + 17).reduce((sum, count) => sum + count, 0);
    if ((table[at]! & ~16) > 3 || symbols > 256) return false;
    at += 17 + symbols;
  }
  return !whole || at === table.length;
}

/** Pairs of a number below 32 and a byte, which up to 15 holds a lower and an upper bound. */
function isConditioning(table: Uint8Array, whole: boolean): boolean {
  for (let at = 0; at + 1 < table.length; at += 2) {
    const [index, value] = [table[at]!, table[at + 1]!];
    if (index > 31 || (index < 16 && (value & 15) > value >> 4)) return false;
  }
  return !whole || table.length % 2 === 0;
}

/** Whether a restart may still be due behind a mark that no marker has: not in front of the end of the file. */
function restartFollows(bytes: Uint8Array, from: number): boolean {
  for (let next = nextMarker(bytes, from); next; next = nextMarker(bytes, next.after)) {
    if (isRestart(next.marker)) return true;
    if (next.marker >= 0xc0) return next.marker === EOI && next.after < bytes.length;
  }
  return false;
}
