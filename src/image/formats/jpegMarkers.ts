/** Markers behind the first scan of a JPEG, at which libjpeg, and with it Pillow, gives a file up. */
import { DamagedImage } from './damaged.js';

const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const DRI = 0xdd;

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
    if (scanning && !allowed(marker, length)) {
      // At a restart, libjpeg passes over marks that no marker has.
      if (restarts && marker < 0xc0 && restartFollows(bytes, at)) continue;
      throw new DamagedImage(
        `the JPEG has the marker ff${marker.toString(16).padStart(2, '0')} within its pixels`,
      );
    }
    at += marker === SOI ? 0 : length;
  }
}

function allowed(marker: number, length: number): boolean {
  if (marker === SOI || isFrame(marker)) return false;
  return marker === SOS || (isSegment(marker) && length >= 2);
}

function restartFollows(bytes: Uint8Array, at: number): boolean {
  const next = nextMarker(bytes, at);
  return next !== undefined && isRestart(next.marker);
}
